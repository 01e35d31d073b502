"""Where the relevant items stand in the rankings of users: all that a ranking metric looks at."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

# The rank of an item that is not shown at all: beyond every k, however small the catalogue.
NEVER = np.iinfo(np.int64).max


@dataclasses.dataclass(frozen=True)
class Hits:
    """Which results of U users are relevant.

    Attributes:
      at: bool[U, K], whether the result is relevant, best first; False past the end of a list.
      relevant: int64[U], how many relevant items a user has, shown or not.
    """

    at: NDArray[np.bool_]
    relevant: NDArray[np.int64]

    @classmethod
    def of_list(cls, ranked: Sequence[bytes | str], relevant: Collection[bytes | str]) -> Hits:
        """Of one user, from ids; a repeated relevant id counts once."""
        wanted = set(relevant)
        at = np.array([[id_ in wanted for id_ in ranked]], bool).reshape(1, len(ranked))
        return cls(at, np.array([len(wanted)]))

    @classmethod
    def of_ranks(cls, ranks: NDArray[np.int64], owner: NDArray[np.int64], users: int, depth: int) -> Hits:
        """From the relevant items' places.

        Args:
          ranks: int64[T], from 0, of every relevant item; NEVER if it is not shown.
          owner: int64[T], whose item it is, 0 to users - 1.
          depth: K, how many results to look at.
        """
        at = np.zeros((users, depth), bool)
        shown = ranks < depth
        at[owner[shown], ranks[shown]] = True
        return cls(at, np.bincount(owner, minlength=users))

    @property
    def weights(self) -> NDArray[np.float64]:
        """float64[U]: 1 for a user who has something relevant, 0 for one who cannot be measured."""
        return (self.relevant > 0).astype(np.float64)

    def first(self, k: int) -> NDArray[np.int64]:
        """int64[U]: relevant items among the first k results."""
        found: NDArray[np.int64] = self.at[:, :k].sum(axis=1)
        return found


@dataclasses.dataclass(frozen=True)
class HitsPair:
    """Hits of two rankings for the same users and the same relevant items."""

    first: Hits
    second: Hits

    @property
    def weights(self) -> NDArray[np.float64]:
        """float64[U], as of `Hits`."""
        return self.first.weights
