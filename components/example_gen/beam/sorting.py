"""Second pass: rows -> parts of the sorted log, and the passes over parts that a k-core takes."""

from __future__ import annotations

import collections
import functools
import uuid
from collections.abc import Iterable, Iterator
from typing import Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common import ragged, storage
from components.example_gen.beam import files, parts, reading
from components.example_gen.beam.job import Job
from components.example_gen.beam.parts import Part
from components.example_gen.beam.sums import Add, Sums
from components.example_gen.reading.quarantine import BadRow, Quarantine
from components.example_gen.sorting import log_store
from components.example_gen.sorting.codes import id_order
from components.example_gen.sorting.gather import has_core, keep_of, repeated
from components.example_gen.sorting.log_store import Log
from components.example_gen.sorting.totals import Totals, totals

SORTED: Final = "sorted"
CORE: Final = "core"
SUMS: Final = "sums"
SPLITTERS: Final = "splitters"

# Rows of some users: (place of the first, string[users], `log_store.ROW`[rows] with users by
# their positions in these ids)
Block = tuple[int, pa.StringArray, np.ndarray]


def build(pipeline: beam.Pipeline, job: Job, sources: list[tuple[str, int]]) -> None:
    """Adds the sort to a pipeline.

    Args:
      sources: files that `reading.read` wrote, and what is added to their times.
    """
    sums = (
        pipeline
        | "Rows" >> beam.Create(sources)
        | "Deal" >> beam.FlatMap(deal, job)
        | "Buckets" >> beam.GroupByKey()
        | "Sort" >> beam.FlatMap(sort, job)
    )
    _save_sums(sums, job, SORTED)


def build_count(pipeline: beam.Pipeline, job: Job, folders: list[str], round_: str) -> None:
    """Adds one round of the k-core to a pipeline: the events of each item among the users who stay.

    Args:
      round_: name of the array in the work folder that says which items stay so far.
    """
    counts = pipeline | "Parts" >> beam.Create(folders) | "Count" >> beam.Map(count_core, job, round_)
    _save_sums(counts, job, round_)


def build_select(
    pipeline: beam.Pipeline, job: Job, folders: list[tuple[int, str]], round_: str, chosen: Job
) -> None:
    """Adds the copy of what is in the k-core to a pipeline; `chosen` has the items that are."""
    sums = pipeline | "Parts" >> beam.Create(folders) | "Select" >> beam.FlatMap(select, job, round_, chosen)
    _save_sums(sums, job, CORE)


def sums_of(job: Job, name: str) -> Sums:
    """What the workers of a pass summed up over the parts."""
    found: Sums = next(files.results(job.work, f"{SUMS}-{name}"))
    return found


def bucket_of(ids: pa.StringArray, splitters: pa.StringArray) -> np.ndarray:
    """int64[ids]: the bucket of each; `splitters` are the first users of all buckets but the first."""
    # The order is stable: a splitter stands before the id that it is.
    order = id_order(pa.concat_arrays([splitters, ids])).to_numpy()
    before = np.cumsum(order < len(splitters))
    result = np.empty(len(order), np.int64)
    result[order] = before
    return result[len(splitters) :]


def deal(source: tuple[str, int], job: Job) -> Iterator[tuple[int, Block]]:
    """The rows of a span by bucket, items by their final numbers."""
    path, later = source
    users = files.column(files.read_table(f"{path}.{reading.USERS}"), "id")
    to_bucket = bucket_of(users, files.read_ids(job.path(SPLITTERS)))
    item_rank = None
    if not job.catalogue:
        items = files.column(files.read_table(f"{path}.{reading.ITEMS}"), "id")
        item_rank = pc.index_in(items, job.items()).to_numpy()
    for rows in log_store.blocks(path):
        if item_rank is not None:
            rows["item"] = item_rank[rows["item"]]
        rows["time"] += later
        to = to_bucket[rows["user"]]
        order = np.argsort(to, kind="stable")
        rows, to = rows[order], to[order]
        buckets, starts = np.unique(to, return_index=True)
        for bucket, start, end in zip(buckets.tolist(), starts, [*starts[1:], len(to)], strict=True):
            mine = rows[start:end]
            codes, mine["user"] = np.unique(mine["user"], return_inverse=True)
            yield bucket, (int(mine["place"][0]), users.take(pa.array(codes)), mine)


def sort(bucket: tuple[int, Iterable[Block]], job: Job) -> Iterator[Sums]:
    """Sorts a bucket into a part; yields its sums over items if it is final."""
    number, blocks = bucket
    ids, rows = _together(sorted(blocks, key=lambda block: block[0]))
    bad, left_out = Quarantine(keep=True), collections.Counter[str]()
    items = job.items()
    tell = functools.partial(repeated, job.dataset, job.params, bad, left_out, items)
    log = log_store.write(
        [log_store.in_order(rows, keep_of(job.params), tell)], _part_folder(job, number), ids, items
    )
    if has_core(job.params):
        _save(log, job, SORTED, number, bad.rows, left_out, None)
    else:
        yield _finish(log, job, SORTED, number, bad.rows, left_out)


def count_core(folder: str, job: Job, round_: str) -> Sums:
    """int64[M]: the events of each item by users who have enough of the items that are left."""
    log = parts.load(folder, job)
    stay = files.read_array(job.path(round_))
    users = _core_users(log, stay, job)
    per_item = np.zeros(len(stay), np.int64)
    for user, item in log.items(job.params.buffer_rows):
        per_item += np.bincount(item[users[user] & stay[item]], minlength=len(stay))
    return (per_item,)


def select(part: tuple[int, str], job: Job, round_: str, chosen: Job) -> Iterator[Sums]:
    """Writes what is left of a part; yields its sums over items."""
    number, folder = part
    log = parts.load(folder, job)
    stay = files.read_array(job.path(round_))
    core = log_store.select(
        log, _core_users(log, stay, job), stay, _part_folder(job, number), job.params.buffer_rows
    )
    yield _finish(core, chosen, CORE, number, [], collections.Counter())


def _core_users(log: Log, stay: np.ndarray, job: Job) -> np.ndarray:
    # Items only ever go, so whoever has enough of those that stay always had.
    per_user = np.zeros(len(log.user_ids), np.int64)
    for user, item in log.items(job.params.buffer_rows):
        per_user += np.bincount(user[stay[item]], minlength=len(per_user))
    return per_user >= job.params.min_ratings_per_user


def _together(blocks: list[Block]) -> tuple[pa.StringArray, np.ndarray]:
    """The users of all blocks in `id_order`, and all rows with users by their positions there."""
    codes = pa.concat_arrays([ids for _, ids, _ in blocks]).dictionary_encode()
    order = id_order(codes.dictionary).to_numpy()
    rank = log_store.ranks(order)[codes.indices.to_numpy()]
    starts = ragged.offsets_of(np.array([len(ids) for _, ids, _ in blocks]))
    # A copy: the blocks are Beam's, which may give them again.
    together = np.concatenate([rows for *_, rows in blocks])
    together["user"] = np.concatenate(
        [rank[start + rows["user"]] for start, (*_, rows) in zip(starts[:-1], blocks, strict=True)]
    )
    return codes.dictionary.take(pa.array(order)), together


def _finish(
    log: Log, job: Job, name: str, number: int, bad: list[BadRow], left_out: collections.Counter[str]
) -> Sums:
    """Keeps a part of which no event goes any more; returns its sums over items."""
    found = totals(log, job.params)
    _save(log, job, name, number, bad, left_out, found.of_users())
    return found.train_count, found.train_sum


def _save(
    log: Log,
    job: Job,
    name: str,
    number: int,
    bad: list[BadRow],
    left_out: collections.Counter[str],
    found: Totals | None,
) -> None:
    parts.save_users(log, job.work)
    part = Part(log.folder, int(log.offsets[-1]), bad, left_out, found)
    files.save_result(job.work, name, f"{number:08d}", part)


def _part_folder(job: Job, number: int) -> str:
    """A new folder: a worker that does the same again must not write into this one."""
    folder = job.path("parts", f"{number:08d}-{uuid.uuid4().hex}")
    storage.make_folder(folder)
    return folder


def _save_sums(sums: beam.PCollection, job: Job, name: str) -> None:
    _ = (
        sums
        | "Add" >> beam.CombineGlobally(Add())
        | "Keep" >> beam.Map(lambda total: files.save_result(job.work, f"{SUMS}-{name}", "0", total))
    )
