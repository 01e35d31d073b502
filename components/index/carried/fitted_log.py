"""The log that a model's towers were fitted to, for `marquee drift` wherever it runs.

The events of the log's users, or of some of them, without their ids; what the columns mean stands in
the file's metadata. It travels with the towers: a refresh has other items and newer events, and is
compared with what its towers learnt from.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import contract
from components.all_events import merge
from components.common import feature_file, storage
from components.common.features import Features
from components.example_gen.records.read import read_timelines, timeline_batches

_KEY: Final = b"marquee"
_HASHES: Final = 1 << 32
_READ: Final = (contract.USER_ID, *contract.HISTORY_FEATURES, *contract.TARGET_FEATURES)


@dataclasses.dataclass(frozen=True)
class About:
    """What the file says of itself.

    Attributes:
      run: id of the run that read the log.
      users: in the log; the file may hold fewer.
      features: what the columns of the log mean.
    """

    run: str
    users: int
    features: Features


def write(extra: str, timelines: str, splits: Sequence[str], most_users: int, run: str) -> None:
    """Writes contract.FITTED_LOG: one row per user with contract.HISTORY_FEATURES, all events in time order.

    Args:
      extra: folder contract.ASSETS_EXTRA of the model.
      timelines: URI of the timelines with these splits.
      most_users: of more users so many are drawn, by a hash of their ids: whole users, since events of
        one user come together.
      run: id of this run.
    """
    users = {
        user
        for split in splits
        for user in read_timelines(timelines, split, [contract.USER_ID])[0].to_pylist()
    }
    share = most_users / len(users) if len(users) > most_users else 1.0
    tables = {split: _drawn(timelines, split, share) for split in splits}
    none = next(iter(tables.values())).slice(0, 0)
    whole = merge.timelines({split: tables.get(split, none) for split in contract.SPLITS})
    # Not in the order of the log, in which somebody's place is known.
    order = np.argsort(_hashes(whole[contract.USER_ID].to_pylist()), kind="stable")
    table = whole.select(contract.HISTORY_FEATURES).take(pa.array(order))
    about = {
        "run": run,
        "users": len(users),
        "features": feature_file.read(timelines).model_dump(mode="json"),
    }
    table = table.replace_schema_metadata({_KEY: json.dumps(about).encode()})
    storage.write_parquet(storage.join(extra, contract.FITTED_LOG), table, "zstd")


def read(model_dir: str) -> tuple[pa.Table, pa.Table, About] | None:
    """What a model carries, None if it carries no log.

    Returns:
      The table that `write` wrote, the items of the fitted model, and what the file says of itself.
    """
    extra = storage.join(model_dir, contract.ASSETS_EXTRA)
    path = storage.join(extra, contract.FITTED_LOG)
    if not storage.exists(path):
        return None
    table = storage.read_parquet(path)
    items = storage.join(extra, contract.FITTED_ITEMS)
    if not storage.exists(items):  # no refresh: the model's own
        items = storage.join(extra, contract.CATALOGUE)
    return table, storage.read_parquet(items), _about(table.schema)


def about(model_dir: str) -> tuple[About, int] | None:
    """What a model's file says of itself, and its number of users; None if there is none."""
    path = storage.join(model_dir, contract.ASSETS_EXTRA, contract.FITTED_LOG)
    if not storage.exists(path):
        return None
    with storage.open_binary(path, "rb") as stream:
        file = pq.ParquetFile(pa.BufferReader(stream.read()))
    return _about(file.schema_arrow), file.metadata.num_rows


def _about(schema: pa.Schema) -> About:
    said: dict[str, Any] = json.loads(schema.metadata[_KEY])
    return About(said["run"], said["users"], Features.model_validate(said["features"]))


def _drawn(timelines: str, split: str, share: float) -> pa.Table:
    """A split's records of the drawn users: the same ones in every split."""
    if share >= 1.0:
        return read_timelines(timelines, split, _READ)
    parts = []
    for batch in timeline_batches(timelines, split, _READ):
        kept = _hashes(batch[contract.USER_ID].to_pylist()) < share * _HASHES
        parts.append(batch.filter(pa.array(kept)))
    return pa.concat_tables(parts)


def _hashes(users: Sequence[str]) -> np.ndarray:
    """uint32 of each id."""
    return np.fromiter((zlib.crc32(user.encode()) for user in users), np.uint32, len(users))
