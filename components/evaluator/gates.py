"""Whether a model may be pushed. Pure: numbers in, verdicts out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Final

from components.common.metrics import names
from components.evaluator.metrics.paired import PairedInterval, Z
from components.evaluator.params import EvaluatorParams

_NO_RATINGS: Final = "the log has no ratings, so there is no rating head"
_LEAST_ITEMS_PER_RESULT: Final = 3

POPULARITY_GATE: Final = "popularity"  # against a list of the most popular
RECENT_POPULARITY_GATE: Final = "recent popularity"  # against one of the most popular in the last days


@dataclasses.dataclass(frozen=True)
class Gate:
    """One verdict.

    Attributes:
      name: what was checked.
      value: what the model reached; None if the gate had nothing to judge.
      bound: what it was held against; None or NaN if that could not be measured either.
      ok: False refuses the model.
      why: one sentence for a person.
      applies: False where the data leave nothing to judge; such a gate is ok.
    """

    name: str
    value: float | None
    bound: float | None
    ok: bool
    why: str
    applies: bool = True


def judge(
    metrics: Mapping[str, float],
    errors: Mapping[str, float],
    baseline_interval: PairedInterval | None,
    params: EvaluatorParams,
    implicit: bool = False,
    no_recent: str = "",
) -> list[Gate]:
    """Judges the overall metrics of a candidate.

    A value that is not finite refuses: it means that nobody was measured, or
    that the model returns NaN.

    Args:
      metrics: values by name, as in `registry.evaluated()`.
      errors: their standard errors over users; a mean over one user has none.
      baseline_interval: the candidate against the last pushed model, None when
        there is none to compare with.
      params: the bounds.
      implicit: the log has no ratings, so there is no rating head: what is said of
        its errors does not apply.
      no_recent: why the log has no recent popularity, which then does not apply; "" if it has one.

    Raises:
      ValueError: a metric that a gate needs is missing.
    """
    # Here, as it brings NumPy: reading verdicts, as `marquee status` does, needs none.
    from components.common.metrics import registry

    items = _value(metrics, names.CATALOGUE_SIZE)

    def nothing_to_judge(name: str) -> str | None:
        if implicit and registry.reads(name) == registry.ERRORS:
            return _NO_RATINGS
        if no_recent and registry.reads(name) in (registry.RECENT, registry.AGAINST_RECENT):
            return no_recent
        return _too_few(name, items)

    def bounded(kind: str, bounds: Mapping[str, float], check: Callable[..., Gate]) -> list[Gate]:
        found = []
        for name, bound in bounds.items():
            why = nothing_to_judge(name)
            found.append(
                _not_applicable(f"{name} {kind}", bound, why) if why else check(metrics, name, bound)
            )
        return found

    gates = bounded("floor", params.floors, _floor) + bounded("ceiling", params.ceilings, _ceiling)
    if implicit:
        gates.append(_not_applicable("rating head", None, _NO_RATINGS))
    if why := _too_few(names.RECALL_10, items):
        gates += [_not_applicable(name, None, why) for name in (POPULARITY_GATE, RECENT_POPULARITY_GATE)]
    else:
        gates.append(_popularity(metrics, params.popularity_ratio))
        gates.append(
            _not_applicable(RECENT_POPULARITY_GATE, None, no_recent)
            if no_recent
            else _recent_popularity(metrics, errors, params)
        )
    gates.append(_regression(baseline_interval, params.max_regression_percent))
    gates.append(_floor(metrics, names.ANN_RECALL_10, params.ann_recall))
    return gates


def _not_applicable(name: str, bound: float | None, why: str) -> Gate:
    return Gate(name, None, bound, True, why, applies=False)


def _too_few(name: str, items: float) -> str | None:
    """Why a metric of the first k says nothing about a catalogue, None if it does.

    Where the first k are much of all that there is, popularity finds nearly everything, too.
    """
    k = name.rpartition("@")[2]
    if not items > 0:
        return None  # nobody was measured, which refuses
    # The index's agreement with exact search is the same for any number of items.
    if not k.isdigit() or name == names.ANN_RECALL_10 or int(k) * _LEAST_ITEMS_PER_RESULT <= items:
        return None
    return f"the first {k} are more than a third of the {items:,.0f} items"


def _value(metrics: Mapping[str, float], name: str) -> float:
    try:
        return metrics[name]
    except KeyError:
        raise ValueError(f"No value for the metric {name}; there are: {', '.join(metrics)}.") from None


def _not_finite(name: str, value: float, bound: float) -> Gate:
    return Gate(
        name, value, bound, False, f"{value} is not a number: nobody was measured, or the model returns NaN"
    )


def _floor(metrics: Mapping[str, float], name: str, bound: float) -> Gate:
    value = _value(metrics, name)
    if not math.isfinite(value):
        return _not_finite(f"{name} floor", value, bound)
    ok = value >= bound
    return Gate(f"{name} floor", value, bound, ok, f"{'at least' if ok else 'below'} the floor")


def _ceiling(metrics: Mapping[str, float], name: str, bound: float) -> Gate:
    value = _value(metrics, name)
    if not math.isfinite(value):
        return _not_finite(f"{name} ceiling", value, bound)
    ok = value <= bound
    return Gate(f"{name} ceiling", value, bound, ok, f"{'at most' if ok else 'above'} the ceiling")


def _popularity(metrics: Mapping[str, float], ratio: float) -> Gate:
    # Held against a product rather than a quotient: on a tiny split popularity
    # may find nothing, and a division by zero would refuse a good model.
    name = POPULARITY_GATE
    value = _value(metrics, names.RECALL_10)
    popularity = _value(metrics, names.POPULARITY_RECALL_10)
    bound = _at_most_one(ratio, popularity)
    if not (math.isfinite(value) and math.isfinite(bound)):
        return _not_finite(name, value, bound)
    capped = ", at most 1" if ratio * popularity > bound else ""
    why = f"{names.RECALL_10} against {ratio:g} times popularity's {popularity:.4f}{capped}"
    return Gate(name, value, bound, value >= bound, why)


def _at_most_one(ratio: float, popularity: float) -> float:
    """`ratio` times popularity's recall, but no more than a model can reach.

    A user's targets in test are a tenth of the events at most, so no more than 10 of less than 100 items,
    where popularity is that good: a perfect model's recall is 1.
    """
    return min(ratio * popularity, max(popularity, 1.0))


def _recent_popularity(
    metrics: Mapping[str, float], errors: Mapping[str, float], params: EvaluatorParams
) -> Gate:
    """Value is the upper end of the recall, its interval that of the paired difference from the bound."""
    name = RECENT_POPULARITY_GATE
    value, recent = (_value(metrics, each) for each in (names.RECALL_10, names.RECENT_POPULARITY_RECALL_10))
    bound = _at_most_one(params.recent_popularity_ratio, recent)
    if not (math.isfinite(value) and math.isfinite(bound)):
        return _not_finite(name, value, bound)
    error = _paired_error(
        bound / recent if recent else params.recent_popularity_ratio,
        *(
            errors.get(each, math.nan)
            for each in (
                names.RECALL_10,
                names.RECENT_POPULARITY_RECALL_10,
                names.RECALL_MINUS_RECENT_POPULARITY_10,
            )
        ),
    )
    if not math.isfinite(error):
        return Gate(name, None, bound, True, "one user makes no interval")
    difference, reach = value - bound, Z * error
    ok = difference + reach >= 0
    why = (
        f"{names.RECALL_10} {value:.4f} is {difference:+.4f} [{difference - reach:+.4f}, "
        f"{difference + reach:+.4f}] from {params.recent_popularity_ratio:g} times {recent:.4f}, that of the "
        f"most popular of {params.recent_popularity_days} days: {'not ' if ok else ''}wholly below"
    )
    return Gate(name, value + reach, bound, ok, why)


def _paired_error(ratio: float, first: float, second: float, difference: float) -> float:
    """Standard error of a - ratio b over the same users.

    From those of a, b and a - b: Var(a - rb) = Var(a) + r^2 Var(b) - 2r Cov(a, b), where
    2 Cov(a, b) = Var(a) + Var(b) - Var(a - b).
    """
    variance = (1 - ratio) * first**2 + (ratio**2 - ratio) * second**2 + ratio * difference**2
    # Rounding may push a variance of zero just below it; NaN stays NaN.
    return 0.0 if variance < 0 else math.sqrt(variance)


def _regression(interval: PairedInterval | None, percent: float) -> Gate:
    """Value (the interval's upper end) and bound are percent of the last pushed model's recall."""
    name, bound = "regression", -percent
    if interval is None:
        return Gate(name, None, bound, True, "no pushed model to compare with")
    if interval.users == 0:
        return Gate(name, None, bound, False, "no user in common with the last pushed model")
    if interval.baseline == 0:
        return Gate(name, None, bound, True, f"the last pushed model's {interval.metric} is 0")
    if not math.isfinite(interval.difference):
        return _not_finite(name, interval.difference, bound)
    if not math.isfinite(interval.standard_error):
        return Gate(name, None, bound, True, "one user makes no interval")
    change, low, high = map(interval.percent, (interval.difference, interval.low, interval.high))
    # Exactly at the bound is still inside.
    ok = high >= bound
    verdict = "not wholly below the bound" if ok else "wholly below the bound"
    why = (
        f"{interval.metric} changes by {change:+.1f} % [{low:+.1f}, {high:+.1f}] "
        f"over {interval.users} users: {verdict}"
    )
    return Gate(name, high, bound, ok, why)
