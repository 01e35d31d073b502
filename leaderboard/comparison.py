"""Is the difference between two models more than the luck of which users there are?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final, Literal, Protocol

import numpy as np

Verdict = Literal["higher", "lower", "tied"]
RESAMPLES: Final = 10_000
_AT_ONCE: Final = 250
_SEED: Final = 11


class Measured(Protocol):
    """Figures by user, such as UserMetrics."""

    @property
    def users(self) -> np.ndarray: ...

    def resampled(self, metric: str, weights: np.ndarray) -> np.ndarray: ...


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One model beside the strongest other one, on the same users.

    Attributes:
      metric: what was compared.
      other: the other model.
      difference: model minus other, mean of the seeds.
      low, high: 95 % interval of it.
      users: how many.
    """

    metric: str
    other: str
    difference: float
    low: float
    high: float
    users: int

    @property
    def verdict(self) -> Verdict:
        """Of the figure, whichever way is better: "higher" only if the interval excludes 0."""
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "tied"


def compare(
    metric: str, model: Sequence[Measured], other: Sequence[Measured], name: str, among: np.ndarray | None
) -> Comparison:
    """Paired percentile bootstrap over users (Efron and Tibshirani 1993, chapter 13).

    A resample draws as many users as there are, with replacement, for both models alike; a
    model's value in it is the mean over its seeds.

    Args:
      model, other: what each seed measured, on the same users.
      name: of the other model.
      among: bool[U], which users; None: all.

    Raises:
      ValueError: the two were not measured on the same users, or there is none.
    """
    users = model[0].users
    if any(not np.array_equal(users, found.users) for found in (*model, *other)):
        raise ValueError(f"{metric}: the models were measured on different users and cannot be paired")
    rows = np.arange(len(users)) if among is None else np.flatnonzero(among[users])
    if not len(rows):
        raise ValueError(f"{metric}: there is no user to compare on")

    def difference(weights: np.ndarray) -> np.ndarray:
        spread = np.zeros((len(weights), len(users)))
        spread[:, rows] = weights
        return _mean(metric, model, spread) - _mean(metric, other, spread)

    rng = np.random.default_rng(_SEED)
    chances = np.full(len(rows), 1.0 / len(rows))
    drawn = [
        difference(rng.multinomial(len(rows), chances, size=_AT_ONCE).astype(np.float64))
        for _ in range(0, RESAMPLES, _AT_ONCE)
    ]
    low, high = np.nanquantile(np.concatenate(drawn), [0.025, 0.975])
    point = difference(np.ones((1, len(rows))))[0]
    return Comparison(metric, name, float(point), float(low), float(high), len(rows))


def _mean(metric: str, seeds: Sequence[Measured], weights: np.ndarray) -> np.ndarray:
    return np.asarray(np.mean([found.resampled(metric, weights) for found in seeds], axis=0))
