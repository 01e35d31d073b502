"""Sums over users that can be added in any order: what travels between workers.

Memory is a few hundred bytes plus the set of shown ids (at most the catalogue),
however many users there are.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.common.metrics import names, registry
from components.evaluator.metrics.paired import PairedInterval
from components.evaluator.metrics.user_scores import UserScores

# The metric that the candidate and the baseline are compared by.
PAIRED_METRIC = names.RECALL_10


def _moments() -> collections.defaultdict[str, NDArray[np.float64]]:
    return collections.defaultdict(_no_moments)


def _no_moments() -> NDArray[np.float64]:
    return np.zeros(4)


def _sums() -> collections.defaultdict[str, float]:
    return collections.defaultdict(float)


@dataclasses.dataclass
class Totals:
    """Sums of one model's `UserScores`: registry.Summary.

    Attributes:
      sums: metric -> weight times value, added up.
      weights: metric -> weights, added up.
      moments: metric -> w^2, w^2 v and w^2 v^2 of weights w and values v, and users, added up.
    """

    sums: dict[str, float] = dataclasses.field(default_factory=_sums)
    weights: dict[str, float] = dataclasses.field(default_factory=_sums)
    moments: dict[str, NDArray[np.float64]] = dataclasses.field(default_factory=_moments)
    shown: set[bytes] = dataclasses.field(default_factory=set)
    catalogue_size: int = 0

    def add(self, user: UserScores) -> None:
        for name, weight in user.weights.items():
            value, square = user.values[name], weight**2
            self.sums[name] += weight * value
            self.weights[name] += weight
            self.moments[name] += (square, square * value, square * value**2, 1.0)
        self.shown.update(user.shown)
        self.catalogue_size = max(self.catalogue_size, user.catalogue_size)

    def merge(self, other: Totals) -> None:
        for name, weight in other.weights.items():
            self.sums[name] += other.sums[name]
            self.weights[name] += weight
            self.moments[name] += other.moments[name]
        self.shown |= other.shown
        self.catalogue_size = max(self.catalogue_size, other.catalogue_size)

    def metrics(self) -> dict[str, float]:
        """Every metric of `registry.evaluated()`; NaN where nobody counts."""
        return {
            name: metric.of_summary(self) if isinstance(metric, registry.Derived) else self.mean(name)
            for name, metric in registry.evaluated().items()
        }

    def mean(self, name: str) -> float:
        metric = registry.evaluated()[name]
        if not self.weight(name) or isinstance(metric, registry.Derived):
            return math.nan
        return float(metric.finish(self.sums[name] / self.weights[name]))

    def weight(self, name: str) -> float:
        return self.weights.get(name, 0.0)

    def standard_errors(self) -> dict[str, float]:
        """Of each metric that is a mean over two users or more.

        That of a ratio of sums (Cochran, Sampling Techniques, 1977, 6.4), which with equal weights is
        sqrt(sample variance / users); carried through `finish` by its slope at the mean.
        """
        errors = {}
        for name, (ones, values, squares, users) in self.moments.items():
            metric = registry.evaluated()[name]
            if users < 2 or isinstance(metric, registry.Derived):
                continue
            mean = self.sums[name] / self.weights[name]
            spread = max(0.0, squares - 2 * mean * values + mean**2 * ones) * users / (users - 1)
            error = math.sqrt(spread) / self.weights[name]
            step = 1e-6 * max(1.0, abs(mean))
            low, high = metric.finish(np.array((max(0.0, mean - step), mean + step)))
            errors[name] = float(error * (high - low) / (mean + step - max(0.0, mean - step)))
        return errors


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
