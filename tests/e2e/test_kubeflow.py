"""The compiled spec, run task by task, is the pipeline that `marquee run` runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspace import Workspace, marquee, settings

from components import contract
from pipeline.kubeflow.documents import read_all


@pytest.mark.long
def test_a_rehearsal_ends_in_the_model_that_the_local_run_pushed(
    pushed_workspace: Workspace, tmp_path: Path
) -> None:
    compiled = marquee("kubeflow", "compile", *settings(), "--output", "spec.yaml", cwd=tmp_path)
    assert compiled.code == 0, compiled.err
    rehearsed = marquee(
        "kubeflow", "rehearse", "spec.yaml", "--data", str(pushed_workspace.data), "--json", cwd=tmp_path,
        timeout=3000,
    )  # fmt: skip
    assert rehearsed.code == 0, rehearsed.out + rehearsed.err
    found = rehearsed.json()
    steps = set(read_all(tmp_path / "spec.yaml")[0]["root"]["dag"]["tasks"])
    assert {step["node"]: step["state"] for step in found["components"]} == dict.fromkeys(steps, "ran")

    local = json.loads((pushed_workspace.folder / "run.json").read_text())
    # Beam sizes the Evaluator's batches by time, a query's last digit depends on its batch, and it can
    # turn one of ScaNN's quantised distances: of two movies that are as near, the other may be found.
    one_user = 1 / local["metrics"]["users"]
    assert found["metrics"].keys() == local["metrics"].keys()
    for name, value in local["metrics"].items():
        # A metric that does not apply is None.
        assert found["metrics"][name] == (value and pytest.approx(value, rel=1e-6, abs=one_user)), name
    assert [gate["ok"] for gate in found["gates"]] == [gate["ok"] for gate in local["gates"]]
    version = Path(found["pushed"])
    assert version.is_relative_to(found["folder"])
    record = json.loads((version / contract.PUSHED).read_text())
    assert record["metrics"] == found["metrics"]
    # It is a model like any other: the command line asks it.
    asked = marquee(
        "recommend", "--user", "1", "--json", *settings(push_to=version.parent.parent), cwd=tmp_path
    )
    assert asked.code == 0, asked.err
