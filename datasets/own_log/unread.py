"""Columns of a log that nobody reads and that may change what its rows mean, in words."""

from __future__ import annotations

from collections.abc import Iterator

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.source import WEIGHT, Dataset
from datasets.own_log.looks import look
from datasets.own_log.words import score


def notes(dataset: Dataset, params: ExampleGenParams) -> Iterator[str]:
    """Quantities below 0."""
    log = dataset.ratings
    read = set(log.columns.values())
    for column in look(log.files[0], params).columns if params.columns else ():
        numbers = column.what.endswith("numbers") and column.low < 0
        if numbers and column.name not in read and score(column.name, WEIGHT):
            yield (
                f"{column.name} is below 0 in some rows, which count like all others: if these are returns "
                f"or cancellations, leave them out by example_gen.keep: ['{column.name} > 0']"
            )
