"""A log as the checks look at it: events by user in time order, and the items' columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.common import feature_file
from components.common.dense_columns import byte_strings
from components.common.features import Features


@dataclasses.dataclass(frozen=True)
class Log:
    """E events of U users.

    Attributes:
      users: object[U] of bytes.
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
    """A log from ExampleGen's artifacts: of each user the record with the most events."""
    from components.example_gen.records.read import read_items, read_timelines

    wanted = [contract.USER_ID, *contract.HISTORY_FEATURES, *contract.TARGET_FEATURES]
    tables = [
        read_timelines(timelines_uri, split, wanted)
        for split in (contract.TEST, contract.EVAL, contract.TRAIN)
    ]
    return from_tables(tables, read_items(items_uri), feature_file.read(timelines_uri))


def from_tables(tables: Sequence[pa.Table], catalogue: pa.Table, features: Features) -> Log:
    """The same from tables of timelines, those with the longest first."""
    taken = pa.array([], pa.large_binary())
    kept = []
    for table in tables:
        users = table.column(contract.USER_ID).cast(pa.large_binary())
        part = table.filter(pc.invert(pc.is_in(users, value_set=taken)))
        taken = pa.concat_arrays([taken, *part.column(contract.USER_ID).cast(pa.large_binary()).chunks])
        kept.append(part)
    table = pa.concat_tables(kept)
    owners, columns = [], []
    for names in (contract.HISTORY_FEATURES, contract.TARGET_FEATURES):
        lengths = np.asarray(pc.fill_null(pc.list_value_length(table.column(names[0])), 0), np.int64)
        owners.append(np.repeat(np.arange(len(lengths)), lengths))
        flat = [pc.list_flatten(table.column(name)) for name in names]
        columns.append(
            (byte_strings(flat[0]), np.asarray(flat[1], np.float32), np.asarray(flat[2], np.int64))
        )
    items, ratings, times = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    owner = np.concatenate(owners)
    order = np.lexsort((times, owner))
    return Log(
        users=byte_strings(table.column(contract.USER_ID)),
        owner=owner[order],
        items=items[order],
        ratings=ratings[order],
        times=times[order],
        catalogue=catalogue,
        features=features,
    )
