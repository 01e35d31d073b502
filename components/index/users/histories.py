"""What is known of each user when the model is built, and requests made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.common.dense_columns import byte_strings
from components.index.carried import catalogue as catalogues

# The longest history of a user is in the split whose cut comes last.
_LATEST_CUT_FIRST = (contract.TEST, contract.EVAL, contract.TRAIN)


@dataclasses.dataclass(frozen=True)
class Histories:
    """U users' histories, one after the other (compressed sparse rows).

    User u's events, oldest first, are offsets[u] to offsets[u + 1] of the flat
    arrays. Events of items outside the catalogue are left out.

    Attributes:
      user_ids: object[U] of bytes, unique.
      offsets: int64[U + 1].
      rows: int32[events], catalogue rows.
      ratings: float32[events], stars.
      timestamps: int64[events], Unix seconds.
    """

    user_ids: np.ndarray
    offsets: np.ndarray
    rows: np.ndarray
    ratings: np.ndarray
    timestamps: np.ndarray

    def __len__(self) -> int:
        return len(self.user_ids)


def known_histories(timelines: Mapping[str, pa.Table], catalogue: catalogues.Catalogue) -> Histories:
    """Each user's longest history: of test, else of eval, else of train.

    Only histories are read, never targets, so what the evaluator asks about is
    not in the model.
    """
    parts = []
    taken = pa.array([], type=pa.large_binary())
    for split in _LATEST_CUT_FIRST:
        if split not in timelines:
            continue
        users = timelines[split].column(contract.USER_ID).cast(pa.large_binary())
        part = timelines[split].filter(pc.invert(pc.is_in(users, value_set=taken)))
        taken = pa.concat_arrays([taken, *part.column(contract.USER_ID).cast(pa.large_binary()).chunks])
        parts.append(part.select([contract.USER_ID, *contract.HISTORY_FEATURES]))
    if not parts:
        raise ValueError(f"no split of timelines given; expected some of {list(contract.SPLITS)}")
    table = pa.concat_tables(parts)
    ids = pc.list_flatten(table.column(contract.HISTORY_ITEM_IDS)).cast(pa.large_binary())
    found = pc.index_in(ids, value_set=pa.array(catalogue.ids, type=pa.large_binary()))
    rows = np.asarray(pc.fill_null(found, -1), dtype=np.int32)
    lengths = np.asarray(pc.list_value_length(table.column(contract.HISTORY_ITEM_IDS)), dtype=np.int64)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    known = rows >= 0
    kept = np.bincount(owner[known], minlength=len(lengths))
    return Histories(
        user_ids=byte_strings(table.column(contract.USER_ID)),
        offsets=np.concatenate([[0], np.cumsum(kept)]).astype(np.int64),
        rows=rows[known],
        ratings=_flat(table, contract.HISTORY_RATINGS, np.float32)[known],
        timestamps=_flat(table, contract.HISTORY_TIMESTAMPS, np.int64)[known],
    )


def dense(histories: Histories, users: np.ndarray, ids: np.ndarray, newest: int) -> dict[str, np.ndarray]:
    """Inputs contract.HISTORY_FEATURES for some users, padded to the longest.

    Args:
      histories: all users' histories.
      users: int[B], positions in `histories`.
      ids: object[N], the catalogue's item ids.
      newest: at most so many events per user, the newest ones.
    """
    ends = histories.offsets[users + 1]
    starts = np.maximum(histories.offsets[users], ends - newest)
    width = max(1, int((ends - starts).max(initial=0)))
    positions = starts[:, None] + np.arange(width)
    inside = positions < ends[:, None]
    batch: dict[str, np.ndarray] = {
        contract.HISTORY_ITEM_IDS: np.full(inside.shape, contract.PAD_ID, dtype=object),
        contract.HISTORY_RATINGS: np.zeros(inside.shape, np.float32),
        contract.HISTORY_TIMESTAMPS: np.zeros(inside.shape, np.int64),
    }
    events = positions[inside]
    batch[contract.HISTORY_ITEM_IDS][inside] = ids[histories.rows[events]]
    batch[contract.HISTORY_RATINGS][inside] = histories.ratings[events]
    batch[contract.HISTORY_TIMESTAMPS][inside] = histories.timestamps[events]
    return batch


def neutral(signature: contract.Signature, batch: int) -> dict[str, np.ndarray]:
    """Inputs of B requests that say nothing: one column where there are columns."""
    return {
        item.name: np.full(
            item.shape(batch),
            item.neutral,
            dtype=object if item.dtype == "string" else item.dtype,
        )
        for item in signature.inputs
    }


def _flat(table: pa.Table, name: str, dtype: type) -> np.ndarray:
    return np.asarray(pc.list_flatten(table.column(name)), dtype=dtype)
