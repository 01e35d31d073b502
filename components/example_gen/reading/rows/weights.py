"""What a number such as plays, hours or a price says of an event: its share of the strongest."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np


def problem(weights: np.ndarray) -> np.ndarray:
    """bool[rows]: not above 0, or no finite number."""
    return ~((weights > 0) & np.isfinite(weights))


@dataclasses.dataclass(frozen=True)
class Scale:
    """How weights become shares.

    Attributes:
      transform: as `weight_transform` of the config says.
      cap: a larger weight counts as this one; None: none does.
    """

    transform: Literal["log", "linear", "rank"]
    cap: float | None

    def shares(self, weights: np.ndarray, largest: float) -> np.ndarray:
        """float64[rows] above 0 and up to 1; weights as they are where `rank` needs the other ones of a user.

        Args:
          largest: of all the weights of the log.
        """
        if self.transform == "rank":
            return weights
        top = largest if self.cap is None else min(self.cap, largest)
        capped = np.minimum(weights.astype(np.float64), top)
        return np.log1p(capped) / np.log1p(top) if self.transform == "log" else capped / top

    def ranks(self, weights: np.ndarray, users: np.ndarray) -> np.ndarray:
        """The same of users all of whose rows are here, where `shares` left the weights.

        Args:
          users: int[rows], ascending.
        """
        if self.transform != "rank" or not len(users):
            return weights
        capped = weights if self.cap is None else np.minimum(weights, np.float32(self.cap))
        order = np.lexsort((capped, users))
        starts = np.flatnonzero(np.append(True, users[1:] != users[:-1]))
        counts = np.diff(np.append(starts, len(users)))
        first = np.repeat(starts, counts)
        # Of equal weights the last one's place counts.
        user, weight = users[order], capped[order]
        ends = np.append((user[1:] != user[:-1]) | (weight[1:] != weight[:-1]), True)
        last = np.flatnonzero(ends)[np.searchsorted(np.flatnonzero(ends), np.arange(len(users)))]
        shares = np.empty(len(users))
        shares[order] = (last - first + 1) / np.repeat(counts, counts)
        return shares
