"""A partition of the users: its rows -> a sorted log -> its part of a k-core."""

from __future__ import annotations

import collections
import dataclasses
import functools
import uuid
from collections.abc import Iterable
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.common import storage
from components.common.ragged import offsets_of
from components.example_gen.beam.job import Job
from components.example_gen.reading.quarantine import BadRow, Quarantine
from components.example_gen.sorting import log_store
from components.example_gen.sorting.gather import keep_of, repeated, scale_of
from components.example_gen.sorting.log_store import Log
from components.example_gen.sorting.totals import Totals, totals

SORTED: Final = "sorted"
# Tables beside the columns of a log: what is known of each user and item.
_USERS: Final = "users"
_ITEMS: Final = "items"
STAY: Final = "stay"  # string[items] that stay, one file per round of the k-core

# Counts per item: all events, those in train, and the sum of the latter's stars or weights. Sums of
# stars do not depend on the order: a float32 of 0.5 or more is a multiple of 2^-24, so float64 holds sums
# of up to 2^29 stars of one item exactly; of weights of 2^-n or more, 2^(28-n) of them.
_ADDED: Final = {"events": pa.int64(), "train_count": pa.int64(), "train_sum": pa.float64()}
_COUNTS: Final = pa.schema([("item", pa.string()), *_ADDED.items()])


@dataclasses.dataclass(frozen=True)
class Partition:
    """One partition, and what making it found.

    Attributes:
      log: of its users and items alone, in any order.
      bad, left_out: rows that went in the sorting, as in `SpanRead`.
      totals: of its users; its sums over items are added up elsewhere, and empty here.
    """

    log: Log
    bad: list[BadRow]
    left_out: collections.Counter[str]
    totals: Totals


def sort(group: tuple[int, Iterable[pa.Table]], job: Job) -> pa.Table:
    """Sorts a partition's rows into a log; returns the counts of its items.

    Args:
      group: number of the partition; rows with the columns of `log_store.ROW`, user and item as ids.
    """
    number, blocks = group
    # Blocks come in any order; a user's ties keep the order of reading.
    table = pa.concat_tables(sorted(blocks, key=lambda block: block["place"][0].as_py())).combine_chunks()
    ids = {name: table[name].combine_chunks().dictionary_encode() for name in ("user", "item")}
    rows = np.empty(len(table), log_store.ROW)
    for name in rows.dtype.names or ():
        rows[name] = ids[name].indices if name in ids else table[name]
    users, items = ids["user"].dictionary, ids["item"].dictionary
    bad, left_out = Quarantine(keep=True), collections.Counter[str]()
    tell = functools.partial(repeated, job.dataset, job.params, bad, left_out, items)
    ordered = log_store.in_order(rows, keep_of(job.params), tell, scale_of(job.dataset, job.params))
    log = log_store.write([ordered], _new_folder(job), users, items)
    return _keep(log, bad.rows, left_out, job, SORTED, f"{number:06d}")


def select(key: str, job: Job, before: str, stage: str) -> pa.Table:
    """Leaves the items that stay in a partition, and its users who have enough of them.

    Args:
      before: stage that left the log.
      stage: this one, a round of the k-core.

    Returns:
      The counts of its items.
    """
    log = load_partition(job, before, key).log
    stay = is_in(log.item_ids, job.shared_ids(STAY, stage))
    per_user = np.zeros(len(log.user_ids), np.int64)
    for user, item in log.items(job.params.buffer_rows):
        per_user += np.bincount(user[stay[item]], minlength=len(per_user))
    enough = per_user >= job.params.min_ratings_per_user
    core = log_store.select(log, enough, stay, _new_folder(job), job.params.buffer_rows)
    return _keep(core, [], collections.Counter(), job, stage, key)


def load_partition(job: Job, stage: str, key: str) -> Partition:
    """What `sort` or `select` kept."""
    kept = job.load_json(stage, key)
    folder: str = kept["folder"]
    users = storage.read_parquet(storage.join(folder, _USERS))
    items = storage.read_parquet(storage.join(folder, _ITEMS))["id"].combine_chunks()
    column = {name: users[name].to_numpy() for name in users.column_names if name != "id"}
    log = Log(users["id"].combine_chunks(), offsets_of(column["events"]), items, folder)
    known = Totals(
        np.zeros(0, np.int64),
        np.zeros(0),
        column["last_train"],
        {split: column[f"history_{split}"] for split in contract.SPLITS},
        {split: column[f"targets_{split}"] for split in contract.SPLITS},
        np.array(kept["by_item"], np.int64),
        np.array(kept["by_rating"], np.int64),
    )
    bad = [BadRow(**row) for row in kept["bad"]]
    return Partition(log, bad, collections.Counter(kept["left_out"]), known)


def _save_partition(partition: Partition, job: Job, stage: str, key: str) -> None:
    """Keeps the tables beside the log's columns, in its folder; the JSON file, the last, names that."""
    log, known = partition.log, partition.totals
    users = {"id": log.user_ids, "events": np.diff(log.offsets), "last_train": known.last_train}
    for split in contract.SPLITS:
        users |= {f"history_{split}": known.history[split], f"targets_{split}": known.targets[split]}
    storage.write_parquet(storage.join(log.folder, _USERS), pa.table(users))
    storage.write_parquet(storage.join(log.folder, _ITEMS), pa.table({"id": log.item_ids}))
    kept = {
        "folder": log.folder,
        "bad": [vars(row) for row in partition.bad],
        "left_out": partition.left_out,
        "by_item": known.by_item.tolist(),
        "by_rating": known.by_rating.tolist(),
    }
    job.save_json(kept, stage, key)


def uncounted(items: pa.StringArray) -> pa.Table:
    """Counts of items without events."""
    nothing = [pa.array(np.zeros(len(items)), type_) for type_ in _ADDED.values()]
    return pa.Table.from_arrays([items, *nothing], schema=_COUNTS)


def add_up(counts: Iterable[pa.Table]) -> pa.Table:
    """The counts per item of several tables of them."""
    table = pa.concat_tables([_COUNTS.empty_table(), *counts])
    added = table.group_by("item").aggregate([(name, "sum") for name in _ADDED])
    return added.select(["item", *(f"{name}_sum" for name in _ADDED)]).rename_columns(_COUNTS.names)


def is_in(ids: pa.StringArray, among: pa.StringArray) -> np.ndarray:
    """bool[ids]."""
    return pc.is_in(ids, value_set=among).to_numpy(zero_copy_only=False)


def _keep(
    log: Log, bad: list[BadRow], left_out: collections.Counter[str], job: Job, stage: str, key: str
) -> pa.Table:
    """Keeps a partition for the next stage; returns the counts of its items."""
    found = totals(log, job.params, job.dataset.timed)
    _save_partition(Partition(log, bad, left_out, found.of_users()), job, stage, key)
    events = np.zeros(len(log.item_ids), np.int64)
    for _, item in log.items(job.params.buffer_rows):
        events += np.bincount(item, minlength=len(events))
    counts = [pa.array(each) for each in (events, found.train_count, found.train_sum)]
    return pa.Table.from_arrays([log.item_ids, *counts], schema=_COUNTS)


def _new_folder(job: Job) -> str:
    """Of a log; a worker that does the same again must not write into this one."""
    folder = job.path("logs", uuid.uuid4().hex)
    storage.make_folder(folder)
    return folder
