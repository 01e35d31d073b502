"""The compiled spec, run task by task, is the pipeline that `marquee run` runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.workspace import Workspace, marquee, settings

import contract
from components.common.metrics import names, registry
from pipeline.kubeflow.documents import read_all

NOT_FROM_LISTS = {
    names.RMSE, names.MAE, names.USERS, names.COLD_USERS,
    names.POPULARITY_RECALL_10, names.POPULARITY_RECALL_20, names.POPULARITY_RECALL_100,
}  # fmt: skip


def one_place(name: str, metrics: dict[str, float]) -> float:
    """How far one place of one user's list can move a metric."""
    if name in NOT_FROM_LISTS:
        return 0.0
    if registry.reads(name) == registry.COLD:
        return 1 / metrics[names.COLD_USERS]
    one_user = 1 / metrics[names.USERS]
    over = name == names.RECALL_OVER_POPULARITY_10
    return one_user / metrics[names.POPULARITY_RECALL_10] if over else one_user


@pytest.mark.nightly(
    "pipeline/kubeflow", "pipeline/commands/kubeflow.py", "pipeline/dag.py", "components/common/storage.py"
)
def test_a_rehearsal_ends_in_the_model_that_the_local_run_pushed(
    pushed_workspace: Workspace, tmp_path: Path
) -> None:
    compiled = marquee("kubeflow", "compile", *settings(), "--output", "spec.yaml", cwd=tmp_path, real=True)
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
    # turn one of ScaNN's quantised distances: of two items that are as near, the other may be found.
    # That is one place of one user's list; what is not read from the lists is the same.
    assert found["metrics"].keys() == local["metrics"].keys()
    for name, value in local["metrics"].items():
        if value is None:  # it does not apply
            assert found["metrics"][name] is None, name
        else:
            allowed = one_place(name, local["metrics"])
            assert found["metrics"][name] == pytest.approx(value, rel=1e-6, abs=allowed), name
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
    # The version is all that drift needs of the past: on the same data it finds none, and nothing is trained.
    place = f"push_to={version.parent.parent}"
    again = marquee(
        "kubeflow", "rehearse", "spec.yaml", "--data", str(pushed_workspace.data), "--json",
        "--param", "train_if=drift", "--param", place, cwd=tmp_path, timeout=3000,
    )  # fmt: skip
    assert again.code == 0, again.out + again.err
    states = {step["node"]: step["state"] for step in again.json()["components"]}
    assert states == {**dict.fromkeys(steps, "skipped"), "find-data": "ran", "drift": "ran"}
    assert again.json()["state"] == "no drift"
    only = marquee("kubeflow", "compile", "--drift", *settings(), "--output", "drift.yaml", cwd=tmp_path)
    assert only.code == 0, only.err
    looked = marquee(
        "kubeflow", "rehearse", "drift.yaml", "--data", str(pushed_workspace.data), "--param", place,
        cwd=tmp_path, timeout=3000,
    )  # fmt: skip
    assert looked.code == 0, looked.out + looked.err
    assert "no drift: nothing was trained" in looked.out
