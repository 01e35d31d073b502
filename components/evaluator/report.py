"""metrics.json and gates.json: what the evaluator leaves behind, and its readers.

Light enough for the command line: no TFX, no TensorFlow unless the artifact
lies on an object store. JSON has no NaN: a value that is not finite is written
as null and read back as NaN.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any, Final

import contract
from components.common import storage
from components.evaluator.gates import Gate
from components.evaluator.metrics.paired import PairedInterval

# Verdict of a gate for which the data leave nothing to judge.
NOT_APPLICABLE: Final = "not applicable"

Slices = dict[str, dict[str, dict[str, float]]]


@dataclasses.dataclass(frozen=True)
class ModelMetrics:
    """One model's metrics.

    Attributes:
      overall: value by metric (`registry.evaluated()`), over the whole test split.
      slices: the same by slice feature and its value: slices["slice_cold"]["warm"]["mrr"].
      errors: standard error over users by metric, of those that are a mean; slice_errors: as `slices`.
        Empty if an evaluator from before they were measured wrote the file.
    """

    overall: dict[str, float]
    slices: Slices
    errors: dict[str, float] = dataclasses.field(default_factory=dict)
    slice_errors: Slices = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
      candidate: the model under test.
      baseline: the last pushed model on the same split, None if there was none
        to compare with.
      baseline_version: its version number, "" if there was none.
      paired: candidate minus baseline over the same users, None without baseline.
      paired_slices: the same by slice feature and its value.
    """

    candidate: ModelMetrics
    baseline: ModelMetrics | None = None
    baseline_version: str = ""
    paired: PairedInterval | None = None
    paired_slices: dict[str, dict[str, PairedInterval]] = dataclasses.field(default_factory=dict)


def write_metrics(uri: str, report: Report) -> None:
    """Writes metrics.json into the evaluation artifact at `uri`."""
    text = json.dumps(_finite(dataclasses.asdict(report)), indent=1, allow_nan=False)
    storage.write_text(storage.join(uri, contract.METRICS), text)


def read_metrics(uri: str) -> Report:
    """Reads an evaluation artifact.

    Raises:
      FileNotFoundError: the artifact holds no metrics.json.
    """
    data = json.loads(storage.read_text(storage.join(uri, contract.METRICS)))
    paired = data["paired"]
    candidate = _model(data["candidate"])
    if candidate is None:
        raise ValueError(f"{uri}: {contract.METRICS} holds no candidate; run the evaluator again.")
    return Report(
        candidate=candidate,
        baseline=_model(data["baseline"]),
        baseline_version=data["baseline_version"],
        paired=_pair(paired) if paired else None,
        paired_slices={
            feature: {value: _pair(interval) for value, interval in by_value.items()}
            for feature, by_value in data.get("paired_slices", {}).items()
        },
    )


def write_gates(uri: str, gates: Sequence[Gate]) -> None:
    """Writes gates.json into the blessing artifact at `uri`."""
    rows = [_finite(dataclasses.asdict(gate)) for gate in gates]
    storage.write_text(storage.join(uri, contract.GATES), json.dumps(rows, indent=1, allow_nan=False))


def read_gates(uri: str) -> list[Gate]:
    """Reads a blessing artifact; `all(gate.ok for gate in ...)` is its verdict.

    A value or bound that was not finite comes back as None; `why` says so.

    Raises:
      FileNotFoundError: the artifact holds no gates.json.
    """
    return [Gate(**row) for row in json.loads(storage.read_text(storage.join(uri, contract.GATES)))]


def rows(gates: Sequence[Gate]) -> list[tuple[str, str, str, str, str]]:
    """Gates as the cells of a table: gate, value, bound, verdict, why."""
    return [
        (
            gate.name,
            _cell(gate.value),
            _cell(gate.bound),
            ("ok" if gate.ok else "refused") if gate.applies else NOT_APPLICABLE,
            gate.why,
        )
        for gate in gates
    ]


def _cell(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _model(data: dict[str, Any] | None) -> ModelMetrics | None:
    if data is None:
        return None
    return ModelMetrics(
        _numbers(data["overall"]),
        _slices(data["slices"]),
        _numbers(data.get("errors", {})),
        _slices(data.get("slice_errors", {})),
    )


def _slices(data: dict[str, dict[str, dict[str, float | None]]]) -> Slices:
    return {
        feature: {value: _numbers(metrics) for value, metrics in values.items()}
        for feature, values in data.items()
    }


def _pair(data: dict[str, Any]) -> PairedInterval:
    return PairedInterval(**{name: _number(value) for name, value in data.items()})


def _numbers(values: dict[str, float | None]) -> dict[str, float]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
