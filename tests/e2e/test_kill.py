"""A run killed in any component leaves no half-pushed model, and the next one resumes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from support.workspace import REPOSITORY, components_by_state, new_workspace, settings

import contract

NODES = [
    "example_gen", "schema_items", "schema_timelines", "statistics_items", "statistics_timelines",
    "validate_items", "validate_timelines", "data_check", "transform", "trainer", "index", "baseline",
    "evaluator", "serving_check", "pusher",
]  # fmt: skip

pytestmark = pytest.mark.long


def killed_run(workspace, node, when):
    done = subprocess.run(
        [
            sys.executable, str(REPOSITORY / "tests" / "support" / "run_and_kill.py"), node, when, "--",
            "run", "--data", str(workspace.data), *settings(),
        ],
        cwd=workspace.folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    return done.stdout


def complete_models(workspace):
    """Versions that a model server would see, each checked to be whole."""
    folder = workspace.artifacts / "serving_model"
    versions = [p for model in contract.MODELS for p in (folder / model).glob("*") if p.name.isdigit()]
    for version in versions:
        assert (version / "saved_model.pb").is_file(), f"{version} is half a model"
        assert (version / "variables" / "variables.index").is_file()
        assert (version / contract.ASSETS_EXTRA / contract.WARMUP_REQUESTS).is_file()
    return versions


@pytest.mark.parametrize("when", ["during", "after"])
def test_kill_in_each_component_then_resume(tmp_path, when):
    """Each run is killed one component further on; what was finished before is never run again."""
    workspace = new_workspace(tmp_path / when)
    for i, node in enumerate(NODES):
        out = killed_run(workspace, node, when)
        ended = [line.split()[1:3] for line in out.splitlines() if line.startswith(("✓", "="))]
        # Of the earlier components only the one killed last time runs again.
        again = [name for name, state in ended if state == "ran"]
        assert again == NODES[i - 1 : i] if i else again == [], out
        if node != "pusher":
            assert complete_models(workspace) == []
    complete_models(workspace)

    finished = workspace.run()
    assert finished.code == 0, finished.out + finished.err
    assert components_by_state(finished)["ran"] == ["pusher"]
    assert finished.json()["pushed"] == str(workspace.pushed[-1])
    assert complete_models(workspace)
