"""EASE: a linear item-item model in closed form."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

import contract
from components.model.closed_form.ease import ItemWeights
from leaderboard.model import Model
from leaderboard.split import Histories, Queries, Split


@dataclasses.dataclass
class Ease(Model):
    """`components.model.closed_form.ease.ItemWeights`, which the pipeline's model of this kind
    cuts to a low rank; here all of them are used.

    Attributes:
      liked: where ratings below contract.RELEVANT_RATING are left out: nowhere ("none"), in
        the fit ("fit"), or in the history of a query too ("both").
      half_life: events after which one of the history counts half, 0 = never.
    """

    regularisation: float = 300.0
    liked: Literal["none", "fit", "both"] = "none"
    half_life: float = 0.0

    NAME: ClassVar[str] = "ease"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "regularisation": (300.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0),
        "liked": ("none", "fit", "both"),
    }

    def fit(self, split: Split) -> None:
        train = split.train if self.liked == "none" else _liked(split.train)
        self._size = split.catalogue.size
        # Items that were seen; the others cannot be scored.
        self._rows = np.flatnonzero(np.bincount(train.rows, minlength=self._size))
        self.weights = ItemWeights(train.matrix(self._size)[:, self._rows], self.regularisation)

    def score_many(self, queries: Queries) -> np.ndarray:
        history = _liked(queries.history) if self.liked == "both" else queries.history
        fading = np.exp2(-history.ages / self.half_life) if self.half_life else None
        scores = np.full((len(queries), self._size), -np.inf)
        scores[:, self._rows] = self.weights.scores(history.matrix(self._size, fading)[:, self._rows])
        return scores

    @property
    def parameters(self) -> int:
        """Of B, which need not be built to be used."""
        return len(self._rows) ** 2


def _liked(events: Histories) -> Histories:
    return events.where(events.ratings >= contract.RELEVANT_RATING)


@dataclasses.dataclass
class EaseRecency(Ease):
    """EASE with a history in which an event `half_life` events ago counts half."""

    half_life: float = 5.0

    NAME: ClassVar[str] = "ease_recency"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **Ease.SPACE,
        "half_life": (5.0, 2.0, 10.0, 20.0, 50.0),
    }
