"""What a run came to, read from the artifacts of its components."""

from __future__ import annotations

from pathlib import Path

import pytest

import contract
from components.evaluator.gates import Gate
from components.evaluator.report import ModelMetrics, Report, write_gates, write_metrics
from components.serving_check.report import REFUSED_BY_GATES, write_report
from components.serving_check.verdict import Verdict as ServingVerdict
from pipeline.runs.run_records import NodeRun, Output, State
from pipeline.runs.verdict import as_json, gates_line, gates_table, verdict


def evaluator(folder: Path, node: str, recall: float, ok: bool) -> NodeRun:
    uris = {name: str(folder / node / name) for name in ("blessing", "evaluation")}
    write_gates(uris["blessing"], [Gate("recall@10 floor", recall, 0.1, ok, f"of {node}")])
    write_metrics(uris["evaluation"], Report(ModelMetrics({"recall@10": recall}, {})))
    outputs = {
        "blessing": (Output("ModelBlessing", uris["blessing"], {"blessed": int(ok)}),),
        "evaluation": (Output("ModelEvaluation", uris["evaluation"], {}),),
    }
    return NodeRun(node, State.RAN if ok else State.REFUSED, False, 1.0, 1.0, outputs)


def serving_check(folder: Path, skipped: bool) -> NodeRun:
    uri = str(folder / "infra")
    gates = (Gate("p50 latency", 1.25, 2.0, True, "12.0 ms"),)
    verdicts = [
        ServingVerdict(name, True, 0.1, "", "", gates=gates if name == contract.MODEL else ())
        for name in contract.MODELS
        if not skipped
    ]
    write_report(uri, verdicts, REFUSED_BY_GATES if skipped else "")
    output = Output("InfraBlessing", uri, {"blessed": int(not skipped)})
    state = State.REFUSED if skipped else State.RAN
    return NodeRun("serving_check", state, False, 3.0, 1.0, {"infra_blessing": (output,)})


@pytest.mark.parametrize("final_ok", [True, False])
def test_a_final_fits_gates_follow_those_of_the_tested_model(tmp_path: Path, final_ok: bool) -> None:
    found = verdict(
        [
            evaluator(tmp_path, "evaluator", 0.2, True),
            evaluator(tmp_path, "final_evaluator", 0.4, final_ok),
            serving_check(tmp_path, skipped=not final_ok),
        ]
    )
    assert [(gate.name, gate.value, gate.ok) for gate in found.gates] == [
        ("recall@10 floor", 0.2, True),
        ("final: recall@10 floor", 0.4, final_ok),
    ]
    assert found.metrics == {"recall@10": 0.2}, "the final model has seen the answers"
    assert found.refused is not final_ok
    assert "final: recall@10 floor" in gates_table(found)
    assert [gate["name"] for gate in as_json(found)["gates"]] == [gate.name for gate in found.gates]
    latency = [gate.value for gate in found.latency]
    assert latency == ([1.25] if final_ok else [])
    assert ("p50 latency" in gates_table(found)) is final_ok
    assert [gate["value"] for gate in as_json(found)["latency"]] == latency


def test_without_a_final_fit_there_is_one_set_of_gates(tmp_path: Path) -> None:
    found = verdict([evaluator(tmp_path, "evaluator", 0.2, True)])
    assert [gate.name for gate in found.gates] == ["recall@10 floor"]


def test_of_a_refused_model_that_was_passed_on_nothing_is_said_twice(tmp_path: Path) -> None:
    found = verdict(
        [evaluator(tmp_path, "evaluator", 0.05, False), evaluator(tmp_path, "final_evaluator", 0.05, True)]
    )
    assert [gate.name for gate in found.gates] == ["recall@10 floor"]
    assert found.refused


def test_before_the_gates_there_is_nothing_to_say() -> None:
    assert list(verdict([]).gates) == []


def test_the_gates_in_a_few_words(tmp_path: Path) -> None:
    accepted = [evaluator(tmp_path, "evaluator", 0.2, True), serving_check(tmp_path, skipped=False)]
    assert gates_line(verdict(accepted)) == "3 ok"
    refused = [evaluator(tmp_path, "evaluator", 0.0, False), serving_check(tmp_path, skipped=True)]
    assert gates_line(verdict(refused)) == "refused: recall@10 floor"
    assert gates_line(verdict([])) == "-"
