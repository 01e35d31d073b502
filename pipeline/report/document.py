"""A run as one JSON document: what it made, read back from the metadata store and its artifacts."""

from __future__ import annotations

import datetime
import importlib.metadata
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import contract
from components.common.metrics import names, registry
from components.evaluator.gates import POPULARITY_GATE, RECENT_POPULARITY_GATE
from components.evaluator.metrics.paired import PairedInterval, Z
from components.evaluator.report import ModelMetrics
from pipeline.config.sections import Config
from pipeline.report import asked, data, training
from pipeline.runs.run_records import Run
from pipeline.runs.verdict import Verdict, gate_rows, run_state, verdict

_log = logging.getLogger(__name__)

# Whose versions decide what a model is.
_PACKAGES: Final = ("tensorflow", "scann", "tfx", "apache-beam", "tf-keras", "numpy", "pyarrow", "protobuf")
_POPULARITY: Final = {
    names.RECALL_10: names.POPULARITY_RECALL_10,
    names.RECALL_20: names.POPULARITY_RECALL_20,
    names.RECALL_100: names.POPULARITY_RECALL_100,
}
_RECENT_POPULARITY: Final = {
    names.RECALL_10: names.RECENT_POPULARITY_RECALL_10,
    names.RECALL_20: names.RECENT_POPULARITY_RECALL_20,
    names.RECALL_100: names.RECENT_POPULARITY_RECALL_100,
}
_IN_COLUMNS: Final = {*_POPULARITY.values(), *_RECENT_POPULARITY.values()}


def gather(config: Config, run: Run, earlier: Sequence[Run], error: str = "") -> dict[str, Any]:
    """Everything that the report says.

    A part that cannot be read (an artifact is gone, the model does not load) is missing: `absent` has
    why, by part.

    Args:
      earlier: the runs before it, oldest first.
      error: why it failed, "" if it did not.
    """
    started = time.monotonic()
    found = verdict(run.nodes)
    absent: dict[str, str] = {}

    def part(name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return make()
        except Exception as problem:  # noqa: BLE001 (a report with a part less is better than none)
            _log.warning("the report has no %s", name, exc_info=True)
            absent[name] = f"{type(problem).__name__}: {problem}"
            return {}

    before = _with_data(earlier)
    document = {
        "run": run.run_id,
        "name": config.name,
        "started": datetime.datetime.fromtimestamp(run.started, datetime.UTC).isoformat(timespec="seconds"),
        "seconds": sum(node.seconds for node in run.nodes),
        "state": "failed" if error else run_state(run.nodes, found),
        "error": error,
        "pushed": found.pushed,
        "gates": _gates(found),
        **part("metrics", lambda: _metrics(found)),
        **part("data", lambda: {"data": data.of_run(run, before)}),
        **part("training", lambda: {"training": training.of_run(run)}),
        **part("lists", lambda: asked.of_run(run)),
        "steps": [
            {"step": node.node, "state": str(node.state), "cached": node.cached, "seconds": node.seconds,
             "memory": None if node.cached else node.peak_memory}
            for node in run.nodes
        ],
        "lineage": _lineage(config, run),
        "absent": absent,
    }  # fmt: skip
    document["report_seconds"] = time.monotonic() - started
    return document


def _with_data(earlier: Sequence[Run]) -> Run | None:
    """The last run that got as far as statistics."""
    return next((run for run in reversed(earlier) if run.node("statistics_timelines")), None)


def _gates(found: Verdict) -> list[dict[str, Any]]:
    """The gates' rows with the 95 % interval of the value, where there is one."""
    gates = []
    for name, value, bound, word, why in gate_rows(found):
        low, high = _interval(found, name)
        gates.append(
            {
                "gate": name,
                "value": value,
                "bound": bound,
                "verdict": word,
                "why": why,
                "low": low,
                "high": high,
            }
        )
    return gates


def _interval(found: Verdict, gate: str) -> tuple[float | None, float | None]:
    report = found.report
    if report is None:
        return None, None
    if gate == "regression" and report.paired and report.paired.baseline:
        pair = report.paired
        return pair.percent(pair.low), pair.percent(pair.high)
    if gate == RECENT_POPULARITY_GATE:
        metric = names.RECALL_MINUS_RECENT_POPULARITY_10
    else:
        metric = names.RECALL_10 if gate == POPULARITY_GATE else gate.rpartition(" ")[0]
    value, error = report.candidate.overall.get(metric), report.candidate.errors.get(metric)
    if value is None or error is None:
        return None, None
    return value - Z * error, value + Z * error


def _metrics(found: Verdict) -> dict[str, Any]:
    if found.report is None:
        return {}
    report = found.report
    candidate, baseline = report.candidate, report.baseline
    return {
        "metrics": [
            {
                "metric": name,
                "formula": metric.formula,
                "value": value,
                "error": _times(Z, candidate.errors.get(name)),
                "pushed": baseline.overall.get(name) if baseline else None,
                "popularity": candidate.overall.get(_POPULARITY.get(name, "")),
                "recent": _times(1.0, candidate.overall.get(_RECENT_POPULARITY.get(name, ""))),
            }
            for name, value in candidate.overall.items()
            if (metric := registry.find(name)) and name not in _IN_COLUMNS
        ],
        "pushed_version": report.baseline_version,
        "paired": _pair(report.paired),
        "slices": [
            {
                "feature": feature,
                "value": value,
                "users": metrics.get(names.USERS),
                **{name: metrics.get(name) for name in (names.RECALL_10, names.RECALL_100, names.NDCG_10)},
                "error": _times(
                    Z, candidate.slice_errors.get(feature, {}).get(value, {}).get(names.RECALL_10)
                ),
                "popularity": metrics.get(names.POPULARITY_RECALL_10),
                "recent": _times(1.0, metrics.get(names.RECENT_POPULARITY_RECALL_10)),
                "pushed": _of_slice(baseline, feature, value),
                "paired": _pair(report.paired_slices.get(feature, {}).get(value)),
            }
            for feature, values in candidate.slices.items()
            for value, metrics in values.items()
        ],
    }


def _of_slice(model: ModelMetrics | None, feature: str, value: str) -> float | None:
    return model.slices.get(feature, {}).get(value, {}).get(names.RECALL_10) if model else None


def _pair(pair: PairedInterval | None) -> dict[str, Any] | None:
    if pair is None or not pair.users:
        return None
    return {"difference": pair.difference, "low": pair.low, "high": pair.high, "users": pair.users}


def _times(factor: float, value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else factor * value


def _lineage(config: Config, run: Run) -> dict[str, Any]:
    return {
        "config": config.resolved(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "data": _property(run.nodes[0].properties if run.nodes else {}, contract.DATA_FINGERPRINT),
        "steps": [
            {
                "step": node.node,
                "code": _property(node.properties, contract.CODE_HASH),
                "artifacts": [
                    {"output": key, "type": output.type, "uri": output.uri}
                    for key, outputs in node.outputs.items()
                    for output in outputs
                ],
            }
            for node in run.nodes
        ],
    }


def _property(properties: Mapping[str, Any], name: str) -> str:
    return str(properties.get(name, ""))
