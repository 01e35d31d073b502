"""Item-based nearest neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from components.model.closed_form.neighbours import similarity
from leaderboard.model import Model
from leaderboard.split import Queries, Split


@dataclasses.dataclass
class ItemKnn(Model):
    """Sum over the history of the shrunken cosine with each of its items' neighbours.

    See `components.model.closed_form.neighbours.similarity`, which the pipeline's model of this kind cuts
    to a low rank; here all of it is used.

    Attributes:
      neighbours: kept for each item; 0 = all.
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
        seen = split.train.matrix(split.catalogue.size)
        self._known = np.asarray(seen.sum(axis=0)).ravel() > 0
        self._similarity = similarity(seen, self.shrink, self.neighbours)

    def score_many(self, queries: Queries) -> np.ndarray:
        history = queries.history
        weights = np.exp2(-history.ages / self.half_life) if self.half_life else None
        # An item is scored by its own neighbours, not by those it is a neighbour of.
        found = history.matrix(len(self._known), weights) @ self._similarity.T
        return np.where(self._known, np.asarray(found.todense()), -np.inf)

    @property
    def parameters(self) -> int:
        return int(self._similarity.nnz)
