"""What is written is what is read, and reading is cheap."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

import contract
from components.common.metrics import registry
from components.evaluator import gates, report
from components.evaluator.gates import Gate
from components.evaluator.metrics.paired import PairedInterval
from components.evaluator.params import EvaluatorParams
from components.evaluator.report import ModelMetrics, Report


def test_metrics_round_trip(tmp_path: Path) -> None:
    model = ModelMetrics(
        {"mrr": 0.25, "rmse": math.nan}, {"slice_cold": {"warm": {"mrr": math.inf}}}, {"mrr": 0.01}
    )
    paired = PairedInterval("recall@10", 1, 0.1, math.nan, 0.2)
    report.write_metrics(str(tmp_path), Report(model, model, "41", paired, {"slice_cold": {"warm": paired}}))
    found = report.read_metrics(str(tmp_path))
    assert found.candidate.overall == pytest.approx(model.overall, nan_ok=True)
    assert math.isnan(found.candidate.slices["slice_cold"]["warm"]["mrr"])
    assert found.baseline_version == "41"
    assert found.candidate.errors == {"mrr": 0.01}
    assert found.paired_slices["slice_cold"]["warm"].difference == paired.difference
    assert found.paired is not None
    assert found.paired.users == 1
    assert math.isnan(found.paired.standard_error)


def test_json_is_strict(tmp_path: Path) -> None:
    report.write_metrics(str(tmp_path), Report(ModelMetrics({"rmse": math.nan}, {})))
    report.write_gates(str(tmp_path), [Gate("a", math.nan, 1.0, False, "b")])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for name in (contract.METRICS, contract.GATES):
        json.loads((tmp_path / name).read_text(), parse_constant=refuse)


def test_gates_round_trip(tmp_path: Path) -> None:
    written = [Gate("a", 0.5, 0.1, True, "é"), Gate("b", None, -5.0, False, "x")]
    report.write_gates(str(tmp_path), written)
    assert report.read_gates(str(tmp_path)) == written


def test_a_refusal_because_nobody_was_measured_can_be_printed(tmp_path: Path) -> None:
    metrics = dict.fromkeys(registry.evaluated(), math.nan)
    report.write_gates(str(tmp_path), gates.judge(metrics, {}, None, EvaluatorParams.model_validate({})))
    table = {row[0]: row[1:4] for row in report.rows(report.read_gates(str(tmp_path)))}
    assert table["popularity"] == ("-", "-", "refused")
    assert table["recall@10 floor"] == ("-", "0.02", "refused")


def test_an_artifact_without_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"metrics\.json"):
        report.read_metrics(str(tmp_path))


def test_readers_import_neither_tensorflow_nor_tfx() -> None:
    code = (
        "import sys, components.evaluator.report, components.pusher.versions;"
        "print([m for m in ('tensorflow', 'tfx', 'apache_beam') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
