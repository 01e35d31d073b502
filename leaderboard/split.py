"""What a model is fitted and measured on: one split as flat arrays.

U users, N items in catalogue order ("rows"), E events.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

import contract
from components.common.event_lists import Events
from components.common.features import Features

# One user in five is confirmatory.
_CONFIRMATORY_ONE_IN: Final = 5


@dataclasses.dataclass(frozen=True)
class Histories(Events):
    """B lists, which may be empty here, with what a model may ask of them.

    Each list is in time order, oldest first. All models share them: they are read-only.
    """

    def __post_init__(self) -> None:
        for name in ("rows", "ratings", "timestamps", "offsets"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def one(
        cls, rows: Sequence[int], ratings: Sequence[float] | None = None, times: Sequence[int] | None = None
    ) -> Histories:
        """A single list; without ratings all are of contract.MAX_RATING, without times in the order given."""
        count = len(rows)
        return cls(
            np.asarray(rows, np.int32),
            np.asarray(ratings if ratings is not None else [contract.MAX_RATING] * count, np.float32),
            np.asarray(times if times is not None else range(1, count + 1), np.int64),
            np.array([0, count], np.int64),
        )

    @property
    def lengths(self) -> np.ndarray:
        """int64[B]."""
        return np.diff(self.offsets)

    @property
    def owner(self) -> np.ndarray:
        """int64[E]: the list each event is in."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def ages(self) -> np.ndarray:
        """int64[E]: how many events ago within the list, 0 for the newest."""
        return np.repeat(self.offsets[1:], self.lengths) - 1 - np.arange(len(self.rows))

    def take(self, lists: np.ndarray) -> Histories:
        """The lists at some positions (int[...]), in that order."""
        lengths = self.lengths[lists]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        events = np.arange(offsets[-1]) + np.repeat(self.offsets[lists] - offsets[:-1], lengths)
        return Histories(self.rows[events], self.ratings[events], self.timestamps[events], offsets)

    def where(self, kept: np.ndarray) -> Histories:
        """The same lists with only the events of a mask (bool[E])."""
        ends = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        return Histories(self.rows[kept], self.ratings[kept], self.timestamps[kept], ends[self.offsets])

    def matrix(self, items: int, values: np.ndarray | None = None) -> sp.csr_matrix:
        """float32[B, items], sparse: `values` (float[E], default 1) at each event's item."""
        data = np.ones(len(self.rows), np.float32) if values is None else values.astype(np.float32)
        # A copy: libraries sort a matrix where it is, and the order of these lists is time.
        return sp.csr_matrix((data, self.rows, self.offsets), (len(self), items), copy=True)


@dataclasses.dataclass(frozen=True)
class Queries:
    """B requests.

    Attributes:
      user_ids: who asks; an id that is not in the split is a new person.
      history: B lists, what is known of each at the time.
      now: int64[B], Unix seconds of the request: when the first target is about to be watched,
        as in the pipeline's own evaluation.
    """

    user_ids: tuple[str, ...]
    history: Histories
    now: np.ndarray

    def __len__(self) -> int:
        return len(self.user_ids)

    def take(self, queries: np.ndarray) -> Queries:
        return Queries(
            tuple(self.user_ids[i] for i in queries), self.history.take(queries), self.now[queries]
        )

    @classmethod
    def one(cls, user_id: str, history: Histories) -> Queries:
        """A request at the time of the last event."""
        now = history.timestamps[-1:] if len(history.timestamps) else np.zeros(1, np.int64)
        return cls((user_id,), history, now)


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """The N items, with what train alone says of them.

    Attributes:
      table: components.example_gen.records.schemas.items_schema, in row order.
      years: int64[N], 0 if none.
      genres: float32[N, G], sparse, multi-hot; genre_names: of the columns.
      tags: float32[N, T], sparse, 1 where an item has a tag; tag_names.
    """

    table: pa.Table
    years: np.ndarray
    genres: sp.csr_matrix
    genre_names: tuple[str, ...]
    tags: sp.csr_matrix
    tag_names: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.years)

    @property
    def ids(self) -> list[str]:
        ids: list[str] = self.table[contract.ITEM_ID].to_pylist()
        return ids

    @classmethod
    def of(cls, table: pa.Table) -> Catalogue:
        genres, genre_names = _multi_hot(table[contract.GENRES])
        tags, tag_names = _multi_hot(table[contract.TAGS])
        years = table[contract.YEAR].to_numpy()
        return cls(table, years, genres, genre_names, tags, tag_names)


def _multi_hot(lists: pa.ChunkedArray) -> tuple[sp.csr_matrix, tuple[str, ...]]:
    column = lists.combine_chunks()
    names, codes = np.unique(np.array(column.flatten().to_pylist(), str), return_inverse=True)
    offsets = np.concatenate([[0], np.cumsum(column.value_lengths().to_numpy())])
    matrix = sp.csr_matrix((np.ones(len(codes), np.float32), codes, offsets), (len(column), len(names)))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix, tuple(names.tolist())


@dataclasses.dataclass(frozen=True)
class Part:
    """The eval or test part: what is known, and what happened next. U lists each."""

    history: Histories
    targets: Histories


@dataclasses.dataclass(frozen=True)
class Split:
    """One protocol's cut of one data set, in the contract's sense of train, eval and test.

    `eval` has no targets of confirmatory users, so nothing that is chosen on it has seen
    them. A model is fitted on `without_test()`.

    Attributes:
      protocol: its name.
      catalogue: every item, also unrated ones.
      user_ids: U ids.
      train: U lists, of which some may be empty.
      eval, test: U lists each; a user without targets there has an empty one.
      confirmatory: bool[U].
      users: contract.USER_ID and components.example_gen.records.schemas.user_schema, U rows.
      features: what the columns of the two tables mean, and whether events have ratings.
    """

    protocol: str
    catalogue: Catalogue
    user_ids: tuple[str, ...]
    train: Histories
    eval: Part
    test: Part | None
    confirmatory: np.ndarray
    users: pa.Table
    features: Features

    def without_test(self) -> Split:
        """What a model may see while it is fitted or tuned."""
        return dataclasses.replace(self, test=None)

    def queries(self, part: Part, users: np.ndarray) -> Queries:
        """The requests of some users (int[B]) with a target in a part."""
        return Queries(
            tuple(self.user_ids[i] for i in users),
            part.history.take(users),
            part.targets.timestamps[part.targets.offsets[users]],
        )


def is_confirmatory(user_id: str) -> bool:
    """Whether a user is among the 20 % that tuning never looks at: by the id's hash, for good."""
    digest = hashlib.blake2b(f"confirmatory/{user_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % _CONFIRMATORY_ONE_IN == 0
