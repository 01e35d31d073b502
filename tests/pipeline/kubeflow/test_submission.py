"""The requests that kfp's own client sends for a submission, to a server that checks them.

A cluster is not at hand: that Kubeflow then runs what it was sent is not tested.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.cluster.kubeflow_api import Api, serve

from pipeline import cli

SPEC = {
    "schemaVersion": "2.1.0",
    "pipelineInfo": {"name": "small"},
    "defaultPipelineRoot": "s3://bucket/runs",
    "root": {
        "inputDefinitions": {
            "parameters": {
                "data": {"parameterType": "STRING"},
                "max_steps": {"parameterType": "NUMBER_INTEGER", "defaultValue": 0},
                "train_if": {"parameterType": "STRING", "defaultValue": "always"},
            }
        },
        "dag": {"tasks": {"find": {"taskInfo": {"name": "find"}, "componentRef": {"name": "comp-find"}}}},
    },
    "components": {"comp-find": {"executorLabel": "exec-find"}},
    "deploymentSpec": {"executors": {"exec-find": {"container": {"image": "i:1", "command": ["true"]}}}},
}
PLATFORM = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-find": {}}}}}}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KUBEFLOW_TOKEN", raising=False)
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # kfp keeps settings there
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump_all([SPEC, PLATFORM]))
    return path


@pytest.fixture
def api() -> Iterator[Api]:
    with serve() as running:
        yield running


def submit(file: Path, *args: str) -> int:
    return cli.main(["kubeflow", "submit", str(file), *args])


def answered(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


def test_an_upload_makes_the_pipeline_then_versions_of_it(
    api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = f"kubeflow.host={api.url}"
    assert submit(file, "--set", host, "--json") == 0
    first = answered(capsys)
    assert first["pipeline"] == "pipeline-1"
    assert submit(file, "--set", host, "--version", "mine", "--json") == 0
    second = answered(capsys)
    assert (second["pipeline"], second["version"]) == ("pipeline-1", "version-2")
    assert second["link"] == f"{api.url}/#/pipelines/details/pipeline-1/version/version-2"
    assert api.versions["pipeline-1"][0]["display_name"] == "mine"
    assert api.versions["pipeline-1"][0]["pipeline_spec"] == SPEC
    assert api.runs == [] == api.schedules
    assert submit(file, "--set", host, "--version", "mine") == 1  # Kubeflow's names are unique
    assert "answered 409" in (text := capsys.readouterr().err)
    assert "mine already exists" in text


def test_a_run_is_of_this_version_with_the_values_given(
    api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = submit(
        file, "--run", "--param", "data=/mnt/data", "--param", "max_steps=7", "--name", "try", "--json",
        "--set", f"kubeflow.host={api.url}", "--set", "kubeflow.service_account=runner",
        "--set", "kubeflow.experiment=mine",
    )  # fmt: skip
    assert code == 0
    made = answered(capsys)
    assert made["run"] == "run-1"
    assert made["link"].endswith("/#/runs/details/run-1")
    [run] = api.runs
    assert run["display_name"] == "try"
    assert run["service_account"] == "runner"
    assert run["runtime_config"] == {
        "parameters": {"data": "/mnt/data", "max_steps": 7}, "pipeline_root": "s3://bucket/runs"
    }  # fmt: skip
    assert run["pipeline_version_reference"] == {
        "pipeline_id": "pipeline-1",
        "pipeline_version_id": "version-1",
    }
    assert run["experiment_id"] == "experiment-1"
    assert api.experiments[0]["display_name"] == "mine"


def test_a_schedule_may_train_only_if_the_data_have_drifted(
    api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = f"kubeflow.host={api.url}"
    arguments = ("--if-drift", "--param", "data=/mnt/{date}", "--set", host)
    assert submit(file, "--schedule", "0 0 3 * * *", *arguments) == 0
    [schedule] = api.schedules
    assert schedule["runtime_config"]["parameters"] == {"data": "/mnt/{date}", "train_if": "drift"}
    assert submit(file, *arguments) == 2
    assert "--if-drift says when runs train; give --schedule CRON, or --run" in capsys.readouterr().err


def test_a_schedule_is_a_recurring_run_without_overlap(
    api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = submit(
        file, "--schedule", "0 0 3 * * *", "--param", "data=/mnt/{date}", "--set", f"kubeflow.host={api.url}"
    )
    assert code == 0
    assert "schedule  schedule-1" in capsys.readouterr().out
    [schedule] = api.schedules
    assert schedule["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert (schedule["max_concurrency"], schedule["no_catchup"], schedule["mode"]) == (1, True, "ENABLE")
    assert schedule["runtime_config"]["parameters"] == {"data": "/mnt/{date}"}
    assert api.runs == []


def test_a_token_is_sent_and_a_missing_one_is_named(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(token="s3cret") as api:
        host = f"kubeflow.host={api.url}"
        assert submit(file, "--set", host) == 1
        text = capsys.readouterr().err
        assert f"{api.url} answered 401" in text
        assert "--token-file or $KUBEFLOW_TOKEN" in text
        assert len(api.requests) == 1  # it does not go on asking
        (tmp_path / "token").write_text("s3cret\n")
        assert submit(file, "--set", host, "--token-file", str(tmp_path / "token")) == 0
        monkeypatch.setenv("KUBEFLOW_TOKEN", "s3cret")
        assert submit(file, "--set", host) == 0
    assert "s3cret" not in "".join(capsys.readouterr())


def test_an_address_where_nobody_answers_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused at once
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert submit(file, "--set", f"kubeflow.host={url}") == 1
    text = capsys.readouterr().err
    assert f"marquee: {url} cannot be reached: " in text
    assert "does the port forward run?" in text


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "kubeflow.host is not set, nor $KF_PIPELINES_ENDPOINT"),
        (["--set", "kubeflow.host=localhost:8080"], "expected http:// or https://"),
        (["--run"], "the parameter data has no default in this spec; give --param data=VALUE"),
        (["--run", "--param", "data"], "--param data: expected NAME=VALUE"),
        (["--run", "--param", "steps=3"], "no such parameter; the pipeline has data, max_steps"),
        (["--param", "max_steps=many"], "--param max_steps=many: must be a whole number"),
        (["--schedule", "0 3 * * *", "--param", "data=x", "--set", "kubeflow.host=http://x"], "has 5 fields"),
        (
            ["--token-file", "/nowhere", "--set", "kubeflow.host=http://x"],
            "/nowhere cannot be read",
        ),
    ],
)
def test_a_wrong_argument_is_explained(
    args: list[str], words: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(file, *args) == 2
    assert words in capsys.readouterr().err
