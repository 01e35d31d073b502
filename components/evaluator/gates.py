"""Whether a model may be pushed. Pure: numbers in, verdicts out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

from components.common.metrics import names
from components.evaluator.metrics.paired import PairedInterval
from components.evaluator.params import EvaluatorParams


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
    baseline_interval: PairedInterval | None,
    params: EvaluatorParams,
    implicit: bool = False,
) -> list[Gate]:
    """Judges the overall metrics of a candidate.

    A value that is not finite refuses: it means that nobody was measured, or
    that the model returns NaN.

    Args:
      metrics: values by name, as in `registry.evaluated()`.
      baseline_interval: the candidate against the last pushed model, None when
        there is none to compare with.
      params: the bounds.
      implicit: the log has no ratings, so there is no rating head: what is said of
        its errors does not apply.

    Raises:
      ValueError: a metric that a gate needs is missing.
    """
    # Here, as it brings NumPy: reading verdicts, as `marquee status` does, needs none.
    from components.common.metrics import registry

    def bounded(kind: str, bounds: Mapping[str, float], check: Callable[..., Gate]) -> list[Gate]:
        return [
            _not_applicable(f"{name} {kind}", bound)
            if implicit and registry.reads(name) == registry.ERRORS
            else check(metrics, name, bound)
            for name, bound in bounds.items()
        ]

    gates = bounded("floor", params.floors, _floor) + bounded("ceiling", params.ceilings, _ceiling)
    if implicit:
        gates.append(_not_applicable("rating head", None))
    gates.append(_popularity(metrics, params.popularity_ratio))
    gates.append(_regression(baseline_interval, params.max_regression_percent))
    gates.append(_floor(metrics, names.ANN_RECALL_10, params.ann_recall))
    return gates


def _not_applicable(name: str, bound: float | None) -> Gate:
    return Gate(name, None, bound, True, "the log has no ratings, so there is no rating head", applies=False)


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
    name = "popularity"
    value = _value(metrics, names.RECALL_10)
    popularity = _value(metrics, names.POPULARITY_RECALL_10)
    bound = ratio * popularity
    if not (math.isfinite(value) and math.isfinite(bound)):
        return _not_finite(name, value, bound)
    why = f"{names.RECALL_10} against {ratio:g} times popularity's {popularity:.4f}"
    return Gate(name, value, bound, value >= bound, why)


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
