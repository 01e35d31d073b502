"""What the index reads of the timelines: all where users are kept in the model, else a few of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pyarrow as pa

import contract
from components.example_gen.records.read import read_timelines, timeline_batches
from components.index.params import IndexParams


@dataclasses.dataclass(frozen=True)
class Timelines:
    """Timelines to build with.

    Attributes:
      tables: split -> contract.TIMELINE_FEATURES.
      everybody: whether all users are there; if not, those there are spread over all.
    """

    tables: dict[str, pa.Table]
    everybody: bool


def read(uri: str, splits: Sequence[str], params: IndexParams) -> Timelines:
    """Of more users than the model may keep, only as many as are asked while the index is built.

    Args:
      uri: of the timelines.
      splits: that it has.
    """
    users = {split: read_timelines(uri, split, [contract.USER_ID]) for split in splits}
    known = len(set().union(*(table[contract.USER_ID].to_pylist() for table in users.values())))
    if known <= params.max_known_users:
        return Timelines({split: read_timelines(uri, split) for split in splits}, everybody=True)
    wanted = params.recall_queries
    some = {split: _some(uri, split, len(table), wanted) for split, table in users.items()}
    return Timelines(some, everybody=False)


def _some(uri: str, split: str, records: int, wanted: int) -> pa.Table:
    """Every n-th record, about `wanted`."""
    apart, begin, parts = max(1, records // wanted), 0, []
    for batch in timeline_batches(uri, split, contract.TIMELINE_FEATURES):
        first = -begin % apart
        parts.append(batch.take(list(range(first, len(batch), apart))))
        begin += len(batch)
    return pa.concat_tables(parts)
