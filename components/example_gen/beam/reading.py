"""First pass: spans of the log's files -> files of checked rows, and how many each user has."""

from __future__ import annotations

import collections
import dataclasses
import uuid
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

import apache_beam as beam
import numpy as np
import pyarrow as pa

from components.common import storage
from components.example_gen.beam import files, spans
from components.example_gen.beam.job import Job
from components.example_gen.errors import DataError
from components.example_gen.reading import tables
from components.example_gen.reading.quarantine import BadRow, Quarantine
from components.example_gen.sorting.codes import Codes
from components.example_gen.sorting.gather import RATINGS, add
from components.example_gen.sorting.log_store import Rows

READ: Final = "read"
USERS: Final = "counted-users"
ITEMS: Final = "counted-items"
_ROWS: Final = "rows"


@dataclasses.dataclass(frozen=True)
class SpanRead:
    """What came of a span.

    Attributes:
      file: position of the file.
      found: whether the worker sees that file.
      rows: file of rows of `log_store.ROW`, users and items by their positions in the
        tables at `rows` + ".users" and (without a catalogue) ".items".
      rows_in: how many rows were read, good and bad.
      bad: those set aside.
      left_out: as in `Gathered`.
      error: file, reason and line of the DataError that ended it, None if nothing did.
    """

    file: int
    found: bool
    rows: str
    rows_in: int
    bad: list[BadRow]
    left_out: collections.Counter[str]
    error: tuple[str, str, int | None] | None


def build(
    pipeline: beam.Pipeline,
    job: Job,
    known: list[spans.Where],
    uncounted: list[tuple[int, int, int]],
    partitions: int,
) -> None:
    """Adds the pass to a pipeline.

    Args:
      known, uncounted: from `spans.plan`.
      partitions: how many workers may count ids at once.
    """
    counted = (
        pipeline
        | "Pieces" >> beam.Create(uncounted)
        | "Count lines" >> beam.Map(spans.count, job.dataset.ratings)
        | "By file" >> beam.GroupByKey()
        | "Cut" >> beam.FlatMap(spans.cut)
    )
    _ = (
        ((pipeline | "Spans" >> beam.Create(known)), counted)
        | "All spans" >> beam.Flatten()
        | "Spread" >> beam.Reshuffle()
        | "Read" >> beam.FlatMap(read, job, partitions)
        | "By id" >> beam.GroupByKey()
        | "Count ids" >> beam.Map(merge, job)
    )


def read(where: spans.Where, job: Job, partitions: int) -> Iterator[tuple[str, pa.Table]]:
    """Reads and checks a span; yields (key, ids with counts), equal ids under equal keys."""
    number, span = where
    key = f"{number:06d}-{span.start:016d}"
    path = job.path(_ROWS, f"{key}-{uuid.uuid4().hex}")
    storage.make_folder(job.path(_ROWS))
    bad, left_out = Quarantine(keep=True), collections.Counter[str]()
    error = None
    with storage.open_binary(path, "wb") as file:
        rows = Rows(file, Codes(job.items() if job.catalogue else None))
        try:
            for chunk in tables.read_span(job.dataset.ratings, number, span, bad, job.params.max_line_bytes):
                add(job.dataset, chunk, job.params, rows, bad, left_out)
        except DataError as wrong:
            error = (wrong.file, wrong.reason, wrong.line)
    users = rows.users.ids()
    files.write_table(f"{path}.{USERS}", pa.table({"id": users}), job.work)
    if not job.catalogue:
        files.write_table(f"{path}.{ITEMS}", pa.table({"id": rows.items.ids()}), job.work)
    found = job.dataset.ratings.files[number].is_file()
    result = SpanRead(number, found, path, bad.rows_in[RATINGS], bad.rows, left_out, error)
    files.save_result(job.work, READ, key, result)
    counts = np.zeros(len(users), np.int64)
    counts[: len(rows.counts)] = rows.counts
    yield from _partitioned(USERS, users, counts, partitions)
    if not job.catalogue:
        items = rows.items.ids()
        yield from _partitioned(ITEMS, items, np.zeros(len(items), np.int64), partitions)


def merge(group: tuple[str, Iterable[pa.Table]], job: Job) -> None:
    """Adds up the counts of each id, into a file."""
    key, parts = group
    table = pa.concat_tables(parts).group_by("id").aggregate([("count", "sum")])
    table = table.select(["id", "count_sum"]).rename_columns(["id", "count"])
    files.write_table(job.path(key), table, job.work)


def counted(job: Job, kind: str) -> tuple[pa.StringArray, np.ndarray]:
    """All ids of a kind, in no order, and int64[ids]: how many rows each has."""
    folder = job.path(kind)
    parts = [files.read_table(storage.join(folder, name)) for name in storage.list_names(folder)]
    if not parts:
        return pa.array([], pa.string()), np.zeros(0, np.int64)
    table = pa.concat_tables(parts).combine_chunks()
    return files.column(table, "id"), files.column(table, "count").to_numpy()


def _partitioned(
    kind: str, ids: pa.StringArray, counts: np.ndarray, partitions: int
) -> Iterator[tuple[str, pa.Table]]:
    # Python's own hash differs from process to process.
    of = np.array([zlib.crc32(id_.encode()) % partitions for id_ in ids.to_pylist()], np.int64)
    for partition in np.unique(of).tolist():
        mine = pa.array(np.flatnonzero(of == partition))
        table = pa.table({"id": ids.take(mine), "count": pa.array(counts).take(mine)})
        yield f"{kind}/{partition:04d}", table
