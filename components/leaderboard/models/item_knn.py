"""Item-based nearest neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from components.leaderboard.model import Model
from components.leaderboard.split import Queries, Split

_ROWS_AT_ONCE = 1024


@dataclasses.dataclass
class ItemKnn(Model):
    """Sum over the history of the shrunken cosine with each of its movies' neighbours.

    s_ij = n_ij / (sqrt(n_i n_j) + shrink) on who rated what (Deshpande and Karypis, "Item-Based
    Top-N Recommendation Algorithms", TOIS 2004; shrinkage after Ferrari Dacrema et al. 2019).

    Attributes:
      neighbours: kept for each movie; 0 = all.
      half_life: events after which one counts half, 0 = never.
    """

    shrink: float = 20.0
    neighbours: int = 0
    half_life: float = 0.0

    NAME: ClassVar[str] = "item_knn"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "shrink": (20.0, 0.0, 5.0, 50.0, 100.0),
        "neighbours": (0, 20, 50, 100, 200),
        "half_life": (0.0, 5.0, 20.0, 50.0),
    }

    def fit(self, split: Split) -> None:
        seen = split.train.matrix(split.catalogue.size).tocsc()
        counts = np.asarray(seen.sum(axis=0)).ravel()
        self._known = counts > 0
        transposed = seen.T.tocsr()
        blocks = []
        for start in range(0, len(counts), _ROWS_AT_ONCE):
            both = (transposed[start : start + _ROWS_AT_ONCE] @ seen).tocsr()
            rows = start + np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))
            both.data /= np.sqrt(counts[rows] * counts[both.indices]) + self.shrink
            both.data[rows == both.indices] = 0.0
            both.eliminate_zeros()
            blocks.append(_largest(both, self.neighbours) if self.neighbours else both)
        self._similarity = sp.vstack(blocks).tocsr()

    def score_many(self, queries: Queries) -> np.ndarray:
        history = queries.history
        weights = np.exp2(-history.ages / self.half_life) if self.half_life else None
        # A movie is scored by its own neighbours, not by those it is a neighbour of.
        found = history.matrix(len(self._known), weights) @ self._similarity.T
        return np.where(self._known, np.asarray(found.todense()), -np.inf)

    @property
    def parameters(self) -> int:
        return int(self._similarity.nnz)


def _largest(matrix: sp.csr_matrix, number: int) -> sp.csr_matrix:
    """The `number` largest of each row; of equal ones the first columns."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    place = np.arange(len(order)) - matrix.indptr[rows]
    kept = order[place < number]
    return sp.csr_matrix((matrix.data[kept], (rows[kept], matrix.indices[kept])), matrix.shape)
