"""A log as the checks look at it: events by user in time order, and the items' columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

import contract
from components.all_events import merge
from components.common import feature_file
from components.common.dense_columns import byte_strings
from components.common.features import Features


@dataclasses.dataclass(frozen=True)
class Log:
    """E events of U users.

    Attributes:
      users: object[U] of bytes; without ids (`of_version`) all empty.
      owner: int64[E], positions in `users`.
      items: object[E] of bytes, ids.
      ratings: float32[E], stars.
      times: int64[E], Unix seconds; 0 where the log has none.
      catalogue: contract.ITEM_FEATURES and the own columns.
      features: what these mean.
    """

    users: np.ndarray
    owner: np.ndarray
    items: np.ndarray
    ratings: np.ndarray
    times: np.ndarray
    catalogue: pa.Table
    features: Features

    def __len__(self) -> int:
        return len(self.items)

    @property
    def last(self) -> int:
        """Time of the newest event."""
        return int(self.times.max(initial=0))

    def where(self, kept: np.ndarray) -> Log:
        """The events of a mask, bool[E]; users and catalogue stay."""
        columns = {name: getattr(self, name)[kept] for name in ("owner", "items", "ratings", "times")}
        return dataclasses.replace(self, **columns)

    def after(self, time: int) -> Log:
        return self.where(self.times > time)


def read(timelines_uri: str, items_uri: str) -> Log:
    """A log from ExampleGen's artifacts."""
    from components.example_gen.records.read import read_items, read_timelines

    wanted = [contract.USER_ID, *contract.HISTORY_FEATURES, *contract.TARGET_FEATURES]
    splits = {split: read_timelines(timelines_uri, split, wanted) for split in contract.SPLITS}
    return from_splits(splits, read_items(items_uri), feature_file.read(timelines_uri))


def of_version(model_dir: str) -> Log | None:
    """The log that a pushed version carries, of the users that it drew; None if it carries none.

    Args:
      model_dir: of contract.MODEL.
    """
    from components.index.carried import fitted_log

    found = fitted_log.read(model_dir)
    if found is None:
        return None
    table, catalogue, about = found
    return _of_histories(table, np.full(len(table), b"", object), catalogue, about.features)


def from_splits(splits: Mapping[str, pa.Table], catalogue: pa.Table, features: Features) -> Log:
    """The same from tables of timelines by name of the split."""
    table = merge.timelines(splits)
    return _of_histories(table, byte_strings(table.column(contract.USER_ID)), catalogue, features)


def _of_histories(table: pa.Table, users: np.ndarray, catalogue: pa.Table, features: Features) -> Log:
    """From contract.HISTORY_FEATURES, a row of all events per user."""
    items, ratings, times = (table[name].combine_chunks() for name in contract.HISTORY_FEATURES)
    return Log(
        users=users,
        owner=np.repeat(np.arange(len(table)), items.value_lengths().to_numpy()),
        items=byte_strings(items.flatten()),
        ratings=np.asarray(ratings.flatten(), np.float32),
        times=np.asarray(times.flatten(), np.int64),
        catalogue=catalogue,
        features=features,
    )
