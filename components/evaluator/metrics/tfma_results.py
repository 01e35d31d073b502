"""TFMA's result files -> our report."""

from __future__ import annotations

from typing import Any

import tensorflow_model_analysis as tfma

from components.common.metrics import registry
from components.evaluator.metrics import tfma_metrics
from components.evaluator.metrics.paired import PairedInterval
from components.evaluator.metrics.totals import PAIRED_METRIC
from components.evaluator.report import ModelMetrics, Report, Slices

# Overall values by metric, and values by slice feature and slice.
_Parts = tuple[dict[str, float], Slices]


def read_results(uri: str, baseline_version: str) -> Report:
    """Reads what TFMA wrote to `uri`.

    Args:
      uri: the evaluation artifact.
      baseline_version: version of the model compared with, "" if there was none.

    Raises:
      ValueError: there is no overall slice: the test split holds no user.
    """
    parts: dict[str, _Parts] = {}
    for message in tfma.load_metrics(uri):
        for model, values in _values_by_model(message).items():
            overall, slices = parts.setdefault(model, ({}, {}))
            keys = message.slice_key.single_slice_keys
            if keys:
                value = keys[0].bytes_value.decode()
                slices.setdefault(keys[0].column, {})[value] = values
            else:
                overall.update(values)
    # TFMA drops the name of an only model.
    candidate = parts.get(tfma.CANDIDATE_KEY) or parts.get("")
    if candidate is None or not candidate[0]:
        raise ValueError(
            f"The evaluation at {uri} has no overall slice: the split it ran on holds no user. "
            "Check that ExampleGen wrote a test split (a user needs at least three ratings)."
        )
    baseline = parts.get(tfma.BASELINE_KEY)
    return Report(
        candidate=_model(candidate),
        baseline=_model(baseline) if baseline else None,
        baseline_version=baseline_version if baseline else "",
        paired=_interval(candidate[0]) if baseline else None,
        paired_slices={
            feature: {value: _interval(values) for value, values in by_value.items()}
            for feature, by_value in (candidate[1].items() if baseline else ())
        },
    )


def _values_by_model(message: Any) -> dict[str, dict[str, float]]:
    values: dict[str, dict[str, float]] = {}
    for item in message.metric_keys_and_values:
        # TFMA adds the difference of every metric itself; ours is the paired one.
        if not item.key.is_diff and item.value.HasField("double_value"):
            values.setdefault(item.key.model_name, {})[item.key.name] = item.value.double_value.value
    return values


def _model(parts: _Parts) -> ModelMetrics:
    overall, slices = parts
    return ModelMetrics(
        overall=_ours(overall),
        slices={
            feature: {value: _ours(values) for value, values in sorted(by_value.items())}
            for feature, by_value in slices.items()
        },
        errors=_errors(overall),
        slice_errors={
            feature: {value: _errors(values) for value, values in by_value.items()}
            for feature, by_value in slices.items()
        },
    )


def _ours(values: dict[str, float]) -> dict[str, float]:
    """Our metrics in our order, without TFMA's own counts."""
    return {name: values[name] for name in registry.evaluated() if name in values}


def _errors(values: dict[str, float]) -> dict[str, float]:
    """Standard errors by the names of their metrics."""
    before = tfma_metrics.STANDARD_ERROR
    return {name: values[before + name] for name in registry.evaluated() if before + name in values}


def _interval(overall: dict[str, float]) -> PairedInterval:
    return PairedInterval(
        metric=PAIRED_METRIC,
        users=int(overall[tfma_metrics.PAIRED_USERS]),
        difference=overall[tfma_metrics.PAIRED_DIFFERENCE],
        standard_error=overall[tfma_metrics.PAIRED_STANDARD_ERROR],
        baseline=overall[tfma_metrics.PAIRED_BASELINE],
    )
