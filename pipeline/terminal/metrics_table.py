"""What an evaluation measured, as text: overall and by slice, beside the baseline's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from components.common.metrics import names, registry
from components.evaluator.report import ModelMetrics, Report
from pipeline.terminal.table import table

# A recall means little without what recommending the most popular items reaches, of all time or of late.
_BESIDE = {
    names.POPULARITY_RECALL_10: names.RECALL_10,
    names.POPULARITY_RECALL_20: names.RECALL_20,
    names.POPULARITY_RECALL_100: names.RECALL_100,
    names.RECENT_POPULARITY_RECALL_10: names.RECALL_10,
    names.RECENT_POPULARITY_RECALL_20: names.RECALL_20,
    names.RECENT_POPULARITY_RECALL_100: names.RECALL_100,
}
_COUNTS = (names.USERS, names.COLD_USERS)

# Heading, the candidate's metrics, the baseline's; None without baseline.
_Column = tuple[str, Mapping[str, float], Mapping[str, float] | None]


def metrics_tables(report: Report) -> str:
    """One table for the whole test split and one for each slice feature."""
    candidate, baseline = report.candidate, report.baseline
    overall: _Column = ("overall", candidate.overall, baseline.overall if baseline else None)
    parts = [_table([overall])]
    for feature, slices in candidate.slices.items():
        columns = [(value, metrics, _of_slice(baseline, feature, value)) for value, metrics in slices.items()]
        parts.append(f"{feature}\n{_table(columns)}")
    if baseline:
        parts.append(f"baseline: version {report.baseline_version}, on the same split")
    return "\n\n".join(parts)


def _of_slice(model: ModelMetrics | None, feature: str, value: str) -> Mapping[str, float] | None:
    return model.slices.get(feature, {}).get(value, {}) if model else None


def _table(columns: Sequence[_Column]) -> str:
    header, cells = ["metric"], []
    for heading, metrics, baseline in columns:
        header.append(heading)
        cells.append(metrics)
        if baseline is not None:
            header.append("baseline")
            cells.append(baseline)
    measured = sorted({name for metrics in cells for name in metrics}, key=_place)
    return table(header, [(name, *(_cell(name, metrics) for metrics in cells)) for name in measured])


def _place(name: str) -> tuple[int, int, str]:
    """Sorts into the order of the registry, but the popular lists' recall under the model's."""
    known = list(registry.evaluated())
    if name not in known:
        return len(known), 0, name
    beside = _BESIDE.get(name)
    return (
        (known.index(name), 0, "")
        if beside is None
        else (known.index(beside), list(_BESIDE).index(name) + 1, "")
    )


def _cell(name: str, metrics: Mapping[str, float]) -> str:
    value = metrics.get(name, math.nan)
    if not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if name in _COUNTS else f"{value:.4f}"
