"""`final_fit: all`: what is pushed was fitted on all events; what is measured, compared and recorded was not.

One workspace, run again and again.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.workspace import components_by_state

import contract
from components.common.metrics import names
from components.evaluator import report

# Six fits, each with its index and two servers. CI holds the graph, in tests/pipeline/test_dag.py.
pytestmark = pytest.mark.nightly(
    "pipeline/dag.py", "components/all_events", "components/baseline", "components/pusher/executor.py"
)

FINAL = {"all_events", "final_trainer", "final_index", "final_evaluator"}


@pytest.fixture(scope="module")
def workspace(workspace_to_run_in):
    """After a first push, for which the steps up to the index were in the cache."""
    workspace = workspace_to_run_in
    shutil.rmtree(workspace.artifacts / "serving_model")
    finished = run(workspace)
    assert finished.code == 0, finished.out + finished.err
    (workspace.folder / "run.json").write_text(finished.out)
    return workspace


def run(workspace, **knobs):
    return workspace.run(final_fit="all", **knobs)


def recall(workspace, node):
    """(candidate's, baseline's or None) Recall@10 on test, as the newest run of the component measured it."""
    found = report.read_metrics(str(workspace.artifact(node, "evaluation")))
    baseline = found.baseline and found.baseline.overall[names.RECALL_10]
    return found.candidate.overall[names.RECALL_10], baseline


def fit(workspace, node):
    return json.loads((workspace.artifact(node, "model_run") / contract.FIT).read_text())


def saved(folder: Path) -> bytes:
    return (folder / "variables" / "variables.data-00000-of-00001").read_bytes()


def test_what_is_pushed_has_seen_the_answers_and_its_record_has_not(workspace):
    summary = json.loads((workspace.folder / "run.json").read_text())
    assert {c["node"] for c in summary["components"]} >= FINAL
    (version,) = workspace.pushed
    assert summary["pushed"] == str(version)
    record = json.loads((version / contract.PUSHED).read_text())
    assert record[contract.FINAL_FIT] == contract.ALL
    tested_folder = version.parents[1] / contract.MODEL_TESTED / version.name
    assert saved(version) == saved(Path(record["model"]) / "Format-Serving")
    assert saved(tested_folder) == saved(Path(record["tested_model"]) / "Format-Serving")

    tested, _ = recall(workspace, "evaluator")
    final, compared_with = recall(workspace, "final_evaluator")
    assert compared_with == pytest.approx(tested)
    assert final > 1.05 * tested
    assert record["metrics"][names.RECALL_10] == pytest.approx(tested)
    assert summary["metrics"][names.RECALL_10] == pytest.approx(tested)


def test_the_final_fit_runs_as_many_epochs_as_the_tested_one_kept(workspace):
    tested, final = fit(workspace, "trainer"), fit(workspace, "final_trainer")
    assert final["epochs"] == final["best_epoch"] == tested["best_epoch"]
    assert final["recall"] == {}


def test_the_gates_of_both_are_shown(workspace):
    summary = json.loads((workspace.folder / "run.json").read_text())
    shown = [gate["name"] for gate in summary["gates"]]
    tested = shown[: len(shown) // 2]
    assert shown == [*tested, *(f"final: {name}" for name in tested)]
    assert "final: regression" in shown
    assert [g["name"] for g in workspace.command("gates", "--json").json()["gates"]] == shown
    assert "final: regression" in workspace.command("gates").out


def test_nothing_changed_runs_nothing(workspace):
    finished = run(workspace)
    assert finished.code == 0
    assert components_by_state(finished)["ran"] == []
    assert len(workspace.pushed) == 1


def test_a_refused_sanity_gate_pushes_nothing(workspace):
    """A ceiling that the tested model keeps and its fit on the answers does not."""
    between = (recall(workspace, "evaluator")[0] + recall(workspace, "final_evaluator")[0]) / 2
    finished = run(workspace, evaluator__ceilings=f"{{{names.RECALL_10}: {between}}}")
    assert finished.code == 3, finished.out + finished.err
    assert len(workspace.pushed) == 1
    refused = [gate["name"] for gate in finished.json()["gates"] if not gate["ok"]]
    assert refused == [f"final: {names.RECALL_10} ceiling"]
    assert refused[0] in finished.err  # the table
    assert finished.json()["serving_check"]["ok"] is False


def test_a_refused_model_is_not_fitted_again(workspace):
    finished = run(workspace, evaluator__floors=f"{{{names.RECALL_10}: 0.99}}")
    assert finished.code == 3, finished.out + finished.err
    assert len(workspace.pushed) == 1
    assert not any(gate["name"].startswith("final: ") for gate in finished.json()["gates"])
    towers, final = (
        workspace.artifact(node, "model") / "Format-Serving" for node in ("trainer", "final_trainer")
    )
    assert saved(final) == saved(towers)


def test_the_next_candidate_is_compared_with_the_tested_model(workspace):
    before, _ = recall(workspace, "evaluator")
    first = workspace.pushed[0]
    finished = run(workspace, trainer__seed=2)
    assert finished.code == 0, finished.out + finished.err
    assert len(workspace.pushed) == 2
    baseline = saved(workspace.artifact("baseline", "baseline") / "Format-Serving")
    assert baseline == saved(first.parents[1] / contract.MODEL_TESTED / first.name)
    assert baseline != saved(first)
    assert recall(workspace, "evaluator")[1] == pytest.approx(before)
