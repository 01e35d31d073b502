"""What stands between Kubeflow's launcher and TFX's entry point."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.kubeflow import task
from pipeline.kubeflow.task import local_path, localised, restore_uris

EXAMPLES, MODEL = ({"instanceSchema": f"title: tfx.{name}\n"} for name in ("Examples", "Model"))


def executor_input(root: str) -> dict[str, Any]:
    """As open-source Kubeflow gives it: no type at the input."""
    return {
        "inputs": {
            "artifacts": {"examples": {"artifacts": [{"name": "7", "uri": f"{root}/read/examples"}]}},
            "parameterValues": {"a": 1},
        },
        "outputs": {
            "artifacts": {
                "model": {"artifacts": [{"name": "model", "type": MODEL, "uri": f"{root}/train/model"}]}
            },
            "outputFile": "/x",
        },
    }


@pytest.mark.parametrize(
    ("uri", "root", "path"),
    [
        ("minio://bucket/a/b", None, "/minio/bucket/a/b"),
        ("s3://bucket/a", None, "/s3/bucket/a"),
        ("gs://bucket/a", None, "/gcs/bucket/a"),
        ("minio://bucket/a/b", "/mnt/x/", "/mnt/x/bucket/a/b"),
        ("/local/a", None, "/local/a"),
        ("/local/a", "/mnt/x", "/local/a"),
    ],
)
def test_where_kubeflow_puts_the_files(uri: str, root: str | None, path: str) -> None:
    assert local_path(uri, root) == path


def test_an_executor_gets_local_paths_and_types(tmp_path: Path) -> None:
    given = executor_input("minio://bucket/run")
    before = json.dumps(given)
    found, uris = localised(given, {"artifacts": {"examples": {"artifactType": EXAMPLES}}}, str(tmp_path))
    [read] = found["inputs"]["artifacts"]["examples"]["artifacts"]
    assert read == {"name": "7", "uri": f"{tmp_path}/bucket/run/read/examples", "type": EXAMPLES}
    [made] = found["outputs"]["artifacts"]["model"]["artifacts"]
    assert made == {"name": "model", "uri": f"{tmp_path}/bucket/run/train/model", "type": MODEL}
    assert uris == {f"{tmp_path}/bucket/run/train/model": "minio://bucket/run/train/model"}
    assert (tmp_path / "bucket" / "run" / "train").is_dir()
    assert found["inputs"]["parameterValues"] == {"a": 1}
    assert json.dumps(given) == before


def test_the_report_carries_the_stores_uris(tmp_path: Path) -> None:
    """Else Kubeflow's launcher does not know the place, and uploads nothing."""
    report = tmp_path / "output.json"
    report.write_text(
        json.dumps(
            {"artifacts": {"model": {"artifacts": [{"uri": "/minio/b/m", "metadata": {"blessed": 1.0}}]}}}
        )
    )
    restore_uris(report, {"/minio/b/m": "minio://b/m"})
    [artifact] = json.loads(report.read_text())["artifacts"]["model"]["artifacts"]
    assert artifact == {"uri": "minio://b/m", "metadata": {"blessed": 1.0}}


def test_what_a_step_writes_is_for_owner_and_group_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = {"outputs": {"outputFile": str(tmp_path / "output.json")}}
    monkeypatch.setattr(task, "_execute", lambda *_: (tmp_path / "output.json").write_text("{}"))
    flags = {
        "executor_class_path": "x",
        "json_serialized_invocation_args": json.dumps(output),
        "json_serialized_inputs_spec_args": "{}",
    }
    before = os.umask(0)
    try:
        assert task.main([f"--{name}={value}" for name, value in flags.items()]) == task.OK
    finally:
        os.umask(before)
    assert (tmp_path / "output.json").stat().st_mode & 0o777 == 0o640
