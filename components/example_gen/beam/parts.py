"""The sorted log as parts: each a log of its own, of consecutive users."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from components.common import ragged, storage
from components.example_gen.beam import files
from components.example_gen.beam.job import Job
from components.example_gen.reading.quarantine import BadRow
from components.example_gen.records import splits, timelines
from components.example_gen.sorting.log_store import Index, Log
from components.example_gen.sorting.totals import Totals

_USERS: Final = "users"
_PROFILES: Final = "profiles"


@dataclasses.dataclass(frozen=True)
class Part:
    """One part, and what making it found.

    Attributes:
      folder: of its columns and users.
      events: how many there are.
      bad, left_out: rows that went in the sorting, as in `SpanRead`.
      totals: of its users; its sums over items are added up elsewhere, and empty here.
    """

    folder: str
    events: int
    bad: list[BadRow]
    left_out: collections.Counter[str]
    totals: Totals | None


@dataclasses.dataclass(frozen=True)
class Parts(Index):
    """A log in parts.

    Attributes:
      folders: of the parts, in order of their users.
      starts: int64[parts + 1]: part p has the users starts[p]:starts[p + 1].
      totals: of all.
    """

    folders: tuple[str, ...]
    starts: np.ndarray
    totals: Totals

    def pieces(self, first: int, last: int) -> list[tuple[str, int, int]]:
        """(folder, first, last) of the parts that have some of the users first ... last - 1."""
        result = []
        for part, folder in enumerate(self.folders):
            begin, end = int(self.starts[part]), int(self.starts[part + 1])
            low, high = max(first, begin), min(last, end)
            if low < high:
                result.append((folder, low - begin, high - begin))
        return result


def save_users(log: Log, work: str) -> None:
    """Writes who is in a part, and how many events each has, beside its columns."""
    table = pa.table({"id": log.user_ids, "events": np.diff(log.offsets)})
    files.write_table(storage.join(log.folder, _USERS), table, work)


def load(folder: str, job: Job) -> Log:
    """A part as a log."""
    ids, counts = users_of(folder)
    return Log(ids, ragged.offsets_of(counts), job.items(), folder)


def users_of(folder: str) -> tuple[pa.StringArray, np.ndarray]:
    """The ids of a part's users, and int64[users]: the events of each."""
    table = files.read_table(storage.join(folder, _USERS))
    return files.column(table, "id"), files.column(table, "events").to_numpy()


def save_profiles(parts: Parts, users: pa.Table, work: str) -> None:
    """Writes what is known of users beside the parts they are in.

    Args:
      users: features.user_schema, a row for each of the parts' users.
    """
    for part, folder in enumerate(parts.folders):
        begin, end = int(parts.starts[part]), int(parts.starts[part + 1])
        files.write_table(storage.join(folder, _PROFILES), users.slice(begin, end - begin), work)


def records(pieces: list[tuple[str, int, int]], split: str, seen: np.ndarray, job: Job) -> Iterator[pa.Table]:
    """The records of some users in a split, piece by piece, as timelines.records has them."""
    for folder, first, last in pieces:
        events = load(folder, job).events(first, last)
        known = None
        if job.params.user_features:
            known = files.read_table(storage.join(folder, _PROFILES)).slice(first, last - first)
        yield timelines.records(events, splits.parts(events, job.params), split, seen, known)
