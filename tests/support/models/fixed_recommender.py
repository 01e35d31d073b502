"""A model whose answers a test decides."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from leaderboard.model import Model


@dataclasses.dataclass
class Fixed(Model):
    """Scores and stars by user id, whatever the history."""

    scores: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    NAME: ClassVar[str] = "fixed"
    RATES: ClassVar[bool] = True

    def fit(self, split) -> None:
        assert split.test is None

    def score_many(self, queries):
        return np.stack([self.scores[id_] for id_ in queries.user_ids])

    def predict_ratings(self, queries, asked):
        return self.score_many(queries)[asked.owner, asked.rows]

    @property
    def parameters(self) -> int:
        return 0
