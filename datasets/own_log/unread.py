"""Columns of a log that nobody reads and that may change what its rows mean, in words."""

from __future__ import annotations

from collections.abc import Iterator

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.source import WEIGHT, Dataset
from datasets.own_log.looks import look
from datasets.own_log.words import score


def notes(dataset: Dataset, params: ExampleGenParams) -> Iterator[str]:
    """Quantities below 0, and records over several lines."""
    log = dataset.ratings
    read = set(log.columns.values())
    if not params.columns:
        return
    file = look(log.files[0], params)
    if file.line_ends:
        rows, lines = f"{file.rows:,}", f"{file.rows + file.line_ends:,}"
        first = "" if file.whole else "the first "
        yield f"{first}{rows} records of {file.path.name} go over {lines} lines: quotes enclose line ends"
    for column in file.columns:
        numbers = column.what.endswith("numbers") and column.low < 0
        if numbers and column.name not in read and score(column.name, WEIGHT):
            yield (
                f"{column.name} is below 0 in some rows, which count like all others: if these are returns "
                f"or cancellations, leave them out by example_gen.keep: ['{column.name} > 0']"
            )
