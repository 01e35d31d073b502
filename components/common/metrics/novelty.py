"""How unexpected the results are."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class SelfInformation:
    """Self-information of the results of U users.

    Attributes:
      bits: of each user float64[results], -log2 p(item), best result first.
    """

    bits: Sequence[NDArray[np.float64]]

    @property
    def weights(self) -> NDArray[np.float64]:
        """float64[U]: 1 for a user who was shown anything."""
        return np.array([float(len(row) > 0) for row in self.bits])


def novelty(results: SelfInformation, k: int) -> NDArray[np.float64]:
    """Mean self-information of the first k results in bits, float64[U].

    p is the item's share of the train events (Zhou et al., 2010, "Solving the apparent
    diversity-accuracy dilemma of recommender systems").
    """
    return np.array([row[:k].mean() if len(row) else np.nan for row in results.bits])
