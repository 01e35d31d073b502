"""Each gate refuses a real model: exit code 3, nothing pushed, the table says which gate and why."""

from __future__ import annotations

import pytest
from support.workspace import new_workspace

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def workspace(workspace_to_run_in):
    """With one pushed model; later runs change only what a test names."""
    return workspace_to_run_in


def refused_by(workspace, **knobs):
    finished = workspace.run(**knobs)
    assert finished.code == 3, finished.out + finished.err
    assert len(workspace.pushed) == 1, "a refused model must not be pushed"
    summary = finished.json()
    assert summary["refused"] is True
    table = finished.err  # with --json the table goes to stderr
    assert "verdict" in table and "refused" in table
    return summary, {gate["name"] for gate in summary["gates"] if not gate["ok"]}


def test_floor(workspace):
    _, gates = refused_by(workspace, evaluator__floors="{recall@10: 0.99}")
    assert gates == {"recall@10 floor"}


def test_popularity(workspace):
    _, gates = refused_by(workspace, evaluator__popularity_ratio=50)
    assert gates == {"popularity"}


@pytest.mark.nightly("components/evaluator", "components/index/search")
def test_ann_recall(tmp_path):
    """An index that looks into few leaves loses neighbours; a small catalogue's would be searched exactly."""
    workspace = new_workspace(tmp_path, items=8000)
    finished = workspace.run(
        index__target_recall=0.01,
        evaluator__ann_recall=1.0,
        evaluator__floors="{}",
        evaluator__popularity_ratio=0,
        evaluator__recent_popularity_ratio=0,
        trainer__epochs=1,
    )
    assert finished.code == 3, finished.out + finished.err
    assert workspace.pushed == []
    assert {gate["name"] for gate in finished.json()["gates"] if not gate["ok"]} == {"ann_recall@10 floor"}


@pytest.mark.nightly("components/evaluator", "components/baseline")
def test_regression_against_the_last_pushed_model(workspace):
    """A model that learnt next to nothing passes lax floors, but not the comparison with its predecessor."""
    _, gates = refused_by(
        workspace,
        trainer__learning_rate=1e-9,
        evaluator__floors="{}",
        evaluator__popularity_ratio=0,
        evaluator__recent_popularity_ratio=0,
        evaluator__ann_recall=0,
    )
    assert gates == {"regression"}


def test_serving_check(workspace):
    """Too slow to load in the time allowed: the gates pass, the check does not."""
    summary, gates = refused_by(workspace, serving_check__timeout_s=0.5)
    assert gates == set()
    assert summary["serving_check"]["ok"] is False
    assert "0.5" in summary["serving_check"]["why"]
