"""Sums over users that can be added in any order: what travels between workers.

Memory is a few hundred bytes plus the set of shown ids (at most the catalogue),
however many users there are.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Mapping

from components.common.metrics import names, registry
from components.evaluator.metrics.paired import PairedInterval
from components.evaluator.metrics.user_scores import UserScores

# The metric that the candidate and the baseline are compared by.
PAIRED_METRIC = names.RECALL_10


def _sums() -> collections.defaultdict[str, float]:
    return collections.defaultdict(float)


@dataclasses.dataclass
class Totals:
    """Sums of one model's `UserScores`: registry.Summary.

    Attributes:
      sums: metric -> weight times value, added up.
      weights: metric -> weights, added up.
    """

    sums: dict[str, float] = dataclasses.field(default_factory=_sums)
    weights: dict[str, float] = dataclasses.field(default_factory=_sums)
    shown: set[bytes] = dataclasses.field(default_factory=set)
    catalogue_size: int = 0

    def add(self, user: UserScores) -> None:
        for name, weight in user.weights.items():
            self.sums[name] += weight * user.values[name]
            self.weights[name] += weight
        self.shown.update(user.shown)
        self.catalogue_size = max(self.catalogue_size, user.catalogue_size)

    def merge(self, other: Totals) -> None:
        for name, weight in other.weights.items():
            self.sums[name] += other.sums[name]
            self.weights[name] += weight
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
