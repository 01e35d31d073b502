"""Sums over users that can be added in any order: what travels between workers.

Memory is a few hundred bytes plus the set of shown ids (at most the catalogue),
however many users there are.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.evaluator.metrics import names
from components.evaluator.metrics.paired import PairedInterval
from components.evaluator.metrics.user_scores import (
    ABSOLUTE_ERROR,
    INDEX,
    QUANTITIES,
    SQUARED_ERROR,
    UserScores,
)

# The metric that the candidate and the baseline are compared by.
PAIRED_METRIC = names.RECALL_10


def _zeros() -> NDArray[np.float64]:
    return np.zeros(len(QUANTITIES))


@dataclasses.dataclass
class Totals:
    """Sums of one model's `UserScores`."""

    sums: NDArray[np.float64] = dataclasses.field(default_factory=_zeros)
    weights: NDArray[np.float64] = dataclasses.field(default_factory=_zeros)
    shown: set[bytes] = dataclasses.field(default_factory=set)
    catalogue_size: int = 0

    def add(self, user: UserScores) -> None:
        self.sums += user.sums
        self.weights += user.weights
        self.shown.update(user.shown)
        self.catalogue_size = max(self.catalogue_size, user.catalogue_size)

    def merge(self, other: Totals) -> None:
        self.sums += other.sums
        self.weights += other.weights
        self.shown |= other.shown
        self.catalogue_size = max(self.catalogue_size, other.catalogue_size)

    def metrics(self) -> dict[str, float]:
        """Every metric of `names.METRICS`; NaN where nobody counts."""
        means = {name: self._mean(name) for name in QUANTITIES}
        popularity = means[names.POPULARITY_RECALL_10]
        means[names.RMSE] = math.sqrt(means[SQUARED_ERROR])
        means[names.MAE] = means[ABSOLUTE_ERROR]
        means[names.COVERAGE_10] = len(self.shown) / self.catalogue_size if self.catalogue_size else math.nan
        means[names.RECALL_OVER_POPULARITY_10] = (
            means[names.RECALL_10] / popularity if popularity else math.nan
        )
        means[names.USERS] = float(self.weights[INDEX[names.RECALL_10]])
        means[names.COLD_USERS] = float(self.weights[INDEX[names.COLD_RECALL_10]])
        return {name: means[name] for name in names.METRICS}

    def _mean(self, quantity: str) -> float:
        i = INDEX[quantity]
        return float(self.sums[i] / self.weights[i]) if self.weights[i] else math.nan


@dataclasses.dataclass
class PairedTotals:
    """Sums of per-user differences in PAIRED_METRIC, candidate minus baseline."""

    users: int = 0
    differences: float = 0.0
    squares: float = 0.0
    baseline: float = 0.0

    def add(self, candidate: UserScores, baseline: UserScores) -> None:
        ours, theirs = candidate.get(PAIRED_METRIC), baseline.get(PAIRED_METRIC)
        if ours is None or theirs is None:
            return
        self.users += 1
        self.differences += ours - theirs
        self.squares += (ours - theirs) ** 2
        self.baseline += theirs

    def merge(self, other: PairedTotals) -> None:
        self.users += other.users
        self.differences += other.differences
        self.squares += other.squares
        self.baseline += other.baseline

    def interval(self) -> PairedInterval:
        return PairedInterval.from_sums(
            PAIRED_METRIC, self.users, self.differences, self.squares, self.baseline
        )


@dataclasses.dataclass
class ModelTotals:
    """Totals of every evaluated model, and of the pair if there are two.

    Attributes:
      candidate: name of the model under test.
      baseline: name of the model to compare with, or None.
    """

    candidate: str
    baseline: str | None
    models: dict[str, Totals] = dataclasses.field(default_factory=dict)
    paired: PairedTotals = dataclasses.field(default_factory=PairedTotals)

    def add(self, users: Mapping[str, UserScores]) -> None:
        """Adds one user; `users` holds that user's scores by model name."""
        for name, user in users.items():
            self.models.setdefault(name, Totals()).add(user)
        if self.baseline is not None:
            self.paired.add(users[self.candidate], users[self.baseline])

    def merge(self, other: ModelTotals) -> None:
        for name, totals in other.models.items():
            self.models.setdefault(name, Totals()).merge(totals)
        self.paired.merge(other.paired)
