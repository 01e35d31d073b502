"""What an approximate search loses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.common.metrics.hits import Hits
from components.common.metrics.recall import recall


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Results of the index of U users, and of an exact search for the same queries: ids, best first."""

    approximate: Sequence[Sequence[bytes]]
    exact: Sequence[Sequence[bytes]]

    @property
    def weights(self) -> NDArray[np.float64]:
        """float64[U]: 1 for a user whose exact search found anything."""
        return np.array([float(len(ids) > 0) for ids in self.exact])


def ann_recall(results: Agreement, k: int) -> NDArray[np.float64]:
    """Share of the exact search's first k that the approximate search's first k holds, float64[U].

    "Recall" of Aumüller, Bernhardsson and Faithfull, 2018, "ANN-Benchmarks". It says what the index
    loses, not how good the model is.
    """
    pairs = zip(results.approximate, results.exact, strict=True)
    return np.array([recall(Hits.of_list(found, exact[:k]), k)[0] for found, exact in pairs])
