"""Spans of the log's files -> checked rows, dealt to partitions by a hash of the user."""

from __future__ import annotations

import collections
import dataclasses
import uuid
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from components.common import storage
from components.example_gen.beam.job import Job
from components.example_gen.beam.spans import Where
from components.example_gen.errors import DataError
from components.example_gen.reading.places import Place
from components.example_gen.reading.quarantine import BadRow, Quarantine
from components.example_gen.reading.source import TIME
from components.example_gen.sorting import log_store
from components.example_gen.sorting.gather import (
    RATINGS,
    add,
    codes_of,
    count_older,
    read_file,
    scale_of,
    window_start,
)

CATALOGUE: Final = "catalogue"  # ids of the items that are known beforehand
_SPANS: Final = "spans"
# Of a span:
_USERS: Final = "users"
_ITEMS: Final = "items"
_BAD: Final = "bad"
_ROWS: Final = "rows"


@dataclasses.dataclass(frozen=True, order=True)
class SpanRead:
    """What came of a span; spans have the order of their rows.

    Attributes:
      file, start: which span.
      folder: in the work folder, of its rows and ids and the rows set aside.
      rows_file: of the rows that go on, in this folder.
      rows_in, rows: how many rows there are, and how many of them go on.
      largest, newest: of their ratings and times.
      left_out: as in `Gathered`.
      error: file, reason and line of the DataError that ended it, None if nothing did.
    """

    file: int
    start: int
    folder: str
    rows_file: str
    rows_in: int
    rows: int
    largest: float
    newest: int
    left_out: collections.Counter[str] = dataclasses.field(compare=False)
    error: tuple[str, str, int | None] | None


def unseen(path: Place | str) -> DataError:
    """The error of a file or folder that workers and the step's own process do not all see."""
    return DataError(
        "example_gen.engine",
        f"{path} is not the same for this process and for Beam's workers; expected data and artifacts (or "
        "example_gen.scratch) on file systems that all of them see under the same path; or set "
        "example_gen.engine=local",
    )


def read(where: Where, job: Job) -> SpanRead:
    """Reads and checks a span into a folder of its own."""
    number, span = where
    path = job.dataset.log_files[number]
    bad, left_out, error = Quarantine(keep=True), collections.Counter[str](), None
    good, largest, newest = 0, 0.0, 0
    folder = storage.join("rows", f"{number:06d}-{span.start:016d}-{uuid.uuid4().hex}")
    try:
        for needed in (job.path(CATALOGUE), str(path)):
            if not storage.exists(needed):
                raise unseen(needed)
        with job.new_file(folder, _ROWS) as file:
            known = job.shared_ids(CATALOGUE) if job.items_known else None
            rows = log_store.Rows(file, codes_of(known, job.params))
            for chunk in read_file(job.dataset, number, span, bad, job.params):
                add(job.dataset, chunk, job.params, rows, bad, left_out)
        good, largest, newest = int(rows.counts.sum()), rows.largest, rows.newest
        left_out.update(bad.left_out.pop(RATINGS, {}))
        job.save_ids(rows.users.ids(), folder, _USERS)
        job.save_ids(rows.items.ids(), folder, _ITEMS)
    except DataError as wrong:
        error = (wrong.file, wrong.reason, wrong.line)
    job.save_json([vars(row) for row in bad.rows], folder, _BAD)
    rows_in = bad.rows_in[RATINGS]
    return SpanRead(number, span.start, folder, _ROWS, rows_in, good, largest, newest, left_out, error)


def within(span: SpanRead, job: Job, spans: Sequence[SpanRead]) -> SpanRead:
    """A span without its rows before the window, which are left out.

    Args:
      spans: all there are: the window ends with the newest of their rows.
    """
    if span.error:
        return span
    newest = max(each.newest for each in spans)
    time, users = window_start(job.params, newest), len(job.load_ids(span.folder, _USERS))
    name = f"{_ROWS}-{uuid.uuid4().hex}"
    with job.new_file(span.folder, name) as file:
        counts, largest = log_store.write_newer(job.path(span.folder, span.rows_file), file, time, users)
    left_out, rows = span.left_out.copy(), int(counts.sum())
    count_older(job.params, newest, span.rows - rows, left_out)
    return dataclasses.replace(span, rows_file=name, rows=rows, largest=largest, left_out=left_out)


def keep_spans(spans: Sequence[SpanRead], job: Job) -> None:
    """Keeps what came of all spans, for `replay`."""
    job.save_json([vars(span) for span in spans], _SPANS)


def replay(job: Job, bad: Quarantine, left_out: collections.Counter[str]) -> None:
    """Accounts for what workers read, as if this process had read it.

    Raises:
      DataError: that of the first span which has one, too many rows are bad, or this process does not see
        what workers kept.
    """
    if not storage.exists(job.path(_SPANS)):
        raise unseen(job.work)
    for span in sorted(map(_span_of, job.load_json(_SPANS))):
        if span.error is not None:
            raise DataError(*span.error)
        bad.count(RATINGS, span.rows_in)
        for row in job.load_json(span.folder, _BAD):
            bad.add(BadRow(**row))
        left_out.update(span.left_out)
        bad.require_hope(RATINGS, job.params)


def _span_of(kept: dict[str, Any]) -> SpanRead:
    """A span as it was before it was JSON."""
    error, left_out = kept["error"], collections.Counter(kept["left_out"])
    return SpanRead(**kept | {"left_out": left_out, "error": None if error is None else tuple(error)})


def items(span: SpanRead, job: Job) -> pa.StringArray:
    """The ids of a span's items, also of those that no good row has."""
    return pa.array([], pa.string()) if span.error else job.load_ids(span.folder, _ITEMS)


def deal(span: SpanRead, job: Job, spans: Sequence[SpanRead]) -> Iterator[tuple[int, pa.Table]]:
    """The rows of a span by partition, as `partitions.sort` takes them.

    Args:
      spans: all there are. If one has an error the run is going to stop, so nothing is dealt.
    """
    rows = sum(each.rows for each in spans)
    if not rows or any(each.error for each in spans):
        return
    partitions = -(-rows // min(job.params.events_per_shard, job.params.buffer_rows))
    users, items = (job.load_ids(span.folder, name) for name in (_USERS, _ITEMS))
    # Python's own hash differs from process to process.
    partition_of = np.array([zlib.crc32(id_.encode()) % partitions for id_ in users.to_pylist()], np.int64)
    # Without times the order of the rows counts, so a span's begin after those before it.
    timed = TIME in job.dataset.ratings.columns
    earlier = 0 if timed else sum(each.rows_in for each in spans if each < span)
    scale, largest = scale_of(job.dataset, job.params), max(each.largest for each in spans)
    for block in log_store.blocks(job.path(span.folder, span.rows_file)):
        block["time"] += earlier
        if scale is not None:
            block["rating"] = scale.shares(block["rating"], largest)
        to = partition_of[block["user"]]
        order = np.argsort(to, kind="stable")
        present, starts = np.unique(to[order], return_index=True)
        for partition, mine in zip(present.tolist(), np.split(block[order], starts[1:]), strict=True):
            columns = {name: pa.array(mine[name]) for name in log_store.ROW.names or ()}
            columns["user"], columns["item"] = users.take(columns["user"]), items.take(columns["item"])
            yield partition, pa.table(columns)
