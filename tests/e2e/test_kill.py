"""A run killed in any component leaves no half-pushed model, and the next one resumes."""

from __future__ import annotations

import itertools

import pytest
from support.workspace import components_by_state, killed_run, new_workspace

import contract

NODES = (
    "example_gen", "schema_items", "schema_timelines", "statistics_items", "statistics_timelines",
    "validate_items", "validate_timelines", "data_check", "transform", "trainer", "index", "baseline",
    "evaluator", "serving_check", "pusher",
)  # fmt: skip
# Each of our own components, and one of TFX's.
OUR_OWN = (
    "example_gen", "schema_items", "statistics_items", "data_check", "trainer", "index", "baseline",
    "evaluator", "serving_check", "pusher",
)  # fmt: skip

pytestmark = pytest.mark.long
NIGHTLY = pytest.mark.nightly("pipeline/dag.py", "pipeline/runs", "components/pusher")


def complete_models(workspace):
    """Versions that a model server would see, each checked to be whole."""
    folder = workspace.artifacts / "serving_model"
    versions = [p for model in contract.MODELS for p in (folder / model).glob("*") if p.name.isdigit()]
    for version in versions:
        assert (version / "saved_model.pb").is_file(), f"{version} is half a model"
        assert (version / "variables" / "variables.index").is_file()
        assert (version / contract.ASSETS_EXTRA / contract.WARMUP_REQUESTS).is_file()
    return versions


@pytest.mark.parametrize(
    ("nodes", "when"),
    [
        (OUR_OWN, "during or after"),
        pytest.param(NODES, "during", marks=NIGHTLY),
        pytest.param(NODES, "after", marks=NIGHTLY),
    ],
)
def test_kill_in_each_component_then_resume(tmp_path, nodes, when):
    """Each run is killed some components further on; what was finished before is never run again."""
    workspace = new_workspace(tmp_path)
    begun = 0  # components that an earlier run has begun
    for node, moment in zip(nodes, itertools.cycle(when.split(" or "))):
        out = killed_run(workspace, node, moment)
        ended = [line.split()[1:3] for line in out.splitlines() if line.startswith(("✓", "="))]
        # Of the components begun before only the one that was killed runs again.
        again = [name for name, state in ended if state == "ran"]
        position = NODES.index(node)
        assert again == list(NODES[max(begun - 1, 0) : position]), out
        begun = position + 1
        if node != "pusher":
            assert complete_models(workspace) == []
    complete_models(workspace)

    finished = workspace.run()
    assert finished.code == 0, finished.out + finished.err
    assert components_by_state(finished)["ran"] == ["pusher"]
    assert finished.json()["pushed"] == str(workspace.pushed[-1])
    assert complete_models(workspace)
