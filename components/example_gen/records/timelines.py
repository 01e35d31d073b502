"""Ratings -> one record per user and split. Pure functions over flat arrays.

U users, M items, R ratings. Events are sorted by user and time, so a user is a
span of the flat arrays; an array of parts says which are train, eval and test.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.common import ragged
from components.example_gen.records import schemas


@dataclasses.dataclass(frozen=True)
class Events:
    """All ratings of some users, sorted by user, then time; ties keep the file's order.

    Attributes:
      user_ids: string[U], in `id_order`.
      offsets: int64[U + 1]: user u's events are offsets[u]:offsets[u + 1].
      item_ids: string[M], in `id_order`; also the items nobody rated.
      items: int32[R], positions in item_ids.
      ratings: float32[R], stars; weights of a log without ratings.
      timestamps: int64[R], Unix seconds.
    """

    user_ids: pa.StringArray
    offsets: np.ndarray
    item_ids: pa.StringArray
    items: np.ndarray
    ratings: np.ndarray
    timestamps: np.ndarray

    def per_user(self, mask: np.ndarray) -> np.ndarray:
        """int64[U]: how many of each user's events are in the mask (bool[R])."""
        ends = np.concatenate([[0], np.cumsum(mask)])
        return ends[self.offsets[1:]] - ends[self.offsets[:-1]]


# The parts whose events are the history and the targets of a split's records.
_PARTS = {
    contract.TRAIN: ((0,), ()),
    contract.EVAL: ((0,), (1,)),
    contract.TEST: ((0, 1), (2,)),
}


def history_and_targets(parts: np.ndarray, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Two bool[R]: which events are history and which are targets in the records of `split`."""
    history, targets = _PARTS[split]
    return np.isin(parts, history), np.isin(parts, targets)


def has_record(history: np.ndarray, targets: np.ndarray, split: str) -> np.ndarray:
    """bool[U]: which users have a record in `split`, by how many events they have there."""
    return (history > 0) & ((targets > 0) | (split == contract.TRAIN))


def records(
    events: Events,
    parts: np.ndarray,
    split: str,
    seen: np.ndarray,
    known: pa.Table | None = None,
    implicit: bool = False,
) -> pa.Table:
    """The records of `split` as a table of `schemas.timelines_schema`, users in order.

    Nothing in the history columns lies past the split's cut, and whether a target
    is cold is decided by train ratings alone.

    Args:
      events: of the users in question.
      parts: int8[R], from `splits.parts`.
      split: one of contract.SPLITS.
      seen: bool[M], which items have a train rating, of anybody.
      known: schemas.user_schema, U rows: columns that come after the others.
      implicit: the log has no ratings, but weights, and every target is relevant.
    """
    history, targets = history_and_targets(parts, split)
    lengths, target_lengths = events.per_user(history), events.per_user(targets)
    users = has_record(lengths, target_lengths, split)
    of_user = np.repeat(users, np.diff(events.offsets))
    rows, target_rows = np.flatnonzero(history & of_user), np.flatnonzero(targets & of_user)
    columns = [
        events.user_ids.filter(pa.array(users)),
        *_columns(events, rows, lengths[users]),
        *_columns(events, target_rows, target_lengths[users]),
        *_slices(events, split, lengths[users], target_rows, target_lengths[users], seen, implicit),
    ]
    schema = schemas.timelines_schema(implicit=implicit)
    table = pa.Table.from_arrays(
        [column.cast(field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
    if known is not None:
        for field, column in zip(known.schema, known.filter(pa.array(users)).columns, strict=True):
            table = table.append_column(field, column)
    return table


def _columns(events: Events, rows: np.ndarray, lengths: np.ndarray) -> list[pa.LargeListArray]:
    """Item ids, ratings (or weights) and timestamps of some rows, as a list per record."""
    item_ids = events.item_ids.cast(pa.large_string()).take(pa.array(events.items[rows]))
    values = (item_ids, pa.array(events.ratings[rows]), pa.array(events.timestamps[rows]))
    return [ragged.from_lengths(lengths, value) for value in values]


def _slices(
    events: Events,
    split: str,
    history: np.ndarray,
    rows: np.ndarray,
    lengths: np.ndarray,
    seen: np.ndarray,
    implicit: bool,
) -> list[pa.Array]:
    """SLICE_HISTORY and SLICE_COLD of each record; "" in train, which is not evaluated.

    Args:
      history: int64[records], events of the history.
      rows, lengths: the targets, and how many of them each record has.
    """
    if split == contract.TRAIN:
        return [pa.array([""] * len(lengths), pa.string())] * 2

    bounds = [upper for upper, _ in contract.HISTORY_BUCKETS if upper is not None]
    names = pa.array([name for _, name in contract.HISTORY_BUCKETS])
    buckets = names.take(pa.array(np.searchsorted(bounds, history)))

    relevant = implicit | (events.ratings[rows] >= contract.RELEVANT_RATING)
    cold_target = relevant & ~seen[events.items[rows]]
    cold = np.bincount(np.repeat(np.arange(len(lengths)), lengths), cold_target, len(lengths)) > 0
    return [buckets, pc.if_else(pa.array(cold), contract.COLD, contract.WARM)]
