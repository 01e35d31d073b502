"""Global mean + user bias + item bias: what any rating model must beat."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from leaderboard.model import Model
from leaderboard.split import Histories, Queries, Split


@dataclasses.dataclass
class Bias(Model):
    """r = mean + b_u + b_i with b_i and then b_u as shrunken means of what is left.

    Koren, "Factor in the Neighbors", TKDD 2010, section 2.1. The user's bias is that of
    train, as published models have it.
    """

    item_shrinkage: float = 5.0
    user_shrinkage: float = 5.0

    NAME: ClassVar[str] = "bias"
    RATES: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "item_shrinkage": (5.0, 1.0, 2.0, 10.0, 25.0),
        "user_shrinkage": (5.0, 1.0, 2.0, 10.0),
    }

    def fit(self, split: Split) -> None:
        train, items = split.train, split.catalogue.size
        self.mean = float(train.ratings.mean())
        count = np.bincount(train.rows, minlength=items)
        above = np.bincount(train.rows, train.ratings - self.mean, items)
        self.item = above / (count + self.item_shrinkage)
        self._user = dict(zip(split.user_ids, self.user_bias(train).tolist(), strict=True))

    def user_bias(self, history: Histories) -> np.ndarray:
        """float64[B]: shrunken mean of what each list has above the items' biases."""
        left = history.ratings - self.mean - self.item[history.rows]
        total = np.bincount(history.owner, left, len(history))
        return total / (history.lengths + self.user_shrinkage)

    def score_many(self, queries: Queries) -> np.ndarray:
        return np.broadcast_to(self.item, (len(queries), len(self.item)))

    def predict_ratings(self, queries: Queries, asked: Histories) -> np.ndarray:
        return self.mean + self._users(queries)[asked.owner] + self.item[asked.rows]

    def _users(self, queries: Queries) -> np.ndarray:
        return np.array([self._user.get(id_, 0.0) for id_ in queries.user_ids])

    @property
    def parameters(self) -> int:
        return 1 + len(self.item) + len(self._user)


@dataclasses.dataclass
class BiasHistory(Bias):
    """The same with the user's bias from the query's history, which may be longer than train's."""

    NAME: ClassVar[str] = "bias_history"

    def _users(self, queries: Queries) -> np.ndarray:
        return self.user_bias(queries.history)

    @property
    def parameters(self) -> int:
        return 1 + len(self.item)
