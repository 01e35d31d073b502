"""What an experiment says: rates, differences with intervals, and whether the split can be trusted.

A rate is outcomes per list shown. People differ, and one person's lists are alike: the unit is the
person, and the variance of a rate is that of a ratio of means by the delta method (Deng, Knoblich and Lu,
"Applying the Delta Method in Metric Analytics", KDD 2018).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from scipy import stats

from serving.app.results import Experiment
from serving.app.store.experiment_counts import Counts

# Outcome kinds by the name of their rate.
RATES: Final = {"click": "view", "like": "like", "hide": "hide"}
# Below this probability the split is not what was asked for (as in Fabijan et al., KDD 2019).
SRM_ALPHA: Final = 0.001
_Z: Final = float(stats.norm.ppf(0.975))
# People of a variant below whom an interval by a normal distribution means nothing.
_MIN_PEOPLE: Final = 30
_REWEIGHED: Final = (
    "The weights were changed: the split is checked on people seen since, and rates are over all that time."
)


@dataclasses.dataclass(frozen=True)
class Difference:
    """A variant's rate minus the first one's, with a 95 % interval; None where it means nothing."""

    value: float
    low: float | None
    high: float | None

    @property
    def decided(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclasses.dataclass(frozen=True)
class VariantReport:
    """One variant.

    Attributes:
      rates: outcomes per list shown; None before the first list.
      differences: against the first variant; empty for that one.
    """

    name: str
    weight: float
    people: int
    exposures: int
    rates: Mapping[str, float | None]
    differences: Mapping[str, Difference]


@dataclasses.dataclass(frozen=True)
class Report:
    """An experiment.

    Attributes:
      split_p: probability of a split as uneven as this one, if the weights were kept, over the people seen
        since these are the weights; None without such people.
      words: what it comes to.
    """

    experiment: str
    variants: Sequence[VariantReport]
    split_p: float | None
    words: Sequence[str]


def report(experiment: Experiment, counts: Mapping[str, Counts]) -> Report:
    """The report; variants stand in the order of the experiment, the first is what is compared with."""
    variants = experiment.variants
    empty = Counts(np.zeros(0), {}, 0)
    found = [counts.get(variant.name, empty) for variant in variants]
    reports = []
    for place, (variant, mine) in enumerate(zip(variants, found, strict=True)):
        reports.append(
            VariantReport(
                variant.name,
                variant.weight,
                len(mine.exposures),
                int(mine.exposures.sum()),
                {name: _rate(mine, kind)[0] for name, kind in RATES.items()},
                {name: _difference(found[0], mine, kind) for name, kind in RATES.items()} if place else {},
            )
        )
    split_p = _split([mine.split for mine in found], [variant.weight for variant in variants])
    words = _words(reports, split_p)
    if experiment.weighed is not None:
        words.append(_REWEIGHED)
    return Report(experiment.id, reports, split_p, words)


def _rate(counts: Counts, kind: str) -> tuple[float | None, float]:
    """The rate and its variance."""
    n = len(counts.exposures)
    if not n:
        return None, math.nan
    outcomes = counts.outcomes.get(kind, np.zeros(n))
    mean = counts.exposures.mean()
    rate = float(outcomes.mean() / mean)
    if n < 2:
        return rate, math.nan
    residuals = outcomes - rate * counts.exposures
    return rate, float(residuals.var(ddof=1) / (n * mean**2))


def _difference(base: Counts, other: Counts, kind: str) -> Difference:
    (first, first_variance), (second, second_variance) = _rate(base, kind), _rate(other, kind)
    if first is None or second is None:
        return Difference(math.nan, None, None)
    value = second - first
    deviation = math.sqrt(first_variance + second_variance)
    if min(len(base.exposures), len(other.exposures)) < _MIN_PEOPLE or not deviation > 0:
        return Difference(value, None, None)
    return Difference(value, value - _Z * deviation, value + _Z * deviation)


def _split(seen: Sequence[int], weighed: Sequence[float]) -> float | None:
    people, weights = np.asarray(seen, float), np.asarray(weighed)
    if not people.sum():
        return None
    return float(stats.chisquare(people, weights / weights.sum() * people.sum()).pvalue)


def _words(variants: Sequence[VariantReport], split_p: float | None) -> list[str]:
    if not any(variant.people for variant in variants):
        return ["Nobody has been shown a list yet: the data decide nothing."]
    if split_p is not None and split_p < SRM_ALPHA:
        return [
            f"Sample ratio mismatch (p = {split_p:.2g}): people are not split as the weights say. "
            "Find out why before reading any difference."
        ]
    words = []
    for variant in variants[1:]:
        for name, difference in variant.differences.items():
            if difference.decided:
                more = "higher" if difference.value > 0 else "lower"
                words.append(f"{variant.name} has a {more} {name} rate than {variants[0].name}.")
    if words:
        return words
    if min(variant.people for variant in variants) < _MIN_PEOPLE:
        return [f"The data decide nothing: a variant has fewer than {_MIN_PEOPLE} people."]
    told = any(one.low is not None for variant in variants for one in variant.differences.values())
    why = "every interval holds 0" if told else "nobody clicked, liked or hid what was shown"
    return [f"The data decide nothing: {why}."]
