"""`marquee serve` on a pushed model: the real command in a process of its own."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from support.workspace import REPOSITORY, Workspace

import contract
from benchmarks.harness.ports import free_port
from pipeline import cli


def serve(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "serve", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_both_pushed_models_are_served_and_the_printed_request_works(pushed_workspace: Workspace) -> None:
    rest = free_port()
    process = serve(pushed_workspace.folder, f"--port={free_port()}", f"--rest-port={rest}")
    assert process.stdout is not None
    printed = []
    while not (printed and printed[-1].startswith("try ")):
        line = process.stdout.readline()
        assert line, "".join(printed) + process.stderr.read()  # type: ignore[union-attr]
        printed.append(line)
    version = pushed_workspace.pushed[-1].name
    assert f"model  {contract.MODEL}  version {version}\n" in printed
    assert f"model  {contract.MODEL_EXACT}  version {version}\n" in printed
    assert any(line.startswith("ready  ") for line in printed)
    curl, data, body, url = shlex.split(printed[-1].removeprefix("try"))
    assert (curl, data) == ("curl", "-d")
    with urllib.request.urlopen(url, body.encode(), timeout=60) as answer:
        [prediction] = json.load(answer)["predictions"]
    assert len(prediction[contract.ITEM_IDS]) == len(set(prediction[contract.ITEM_IDS])) > 0
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def test_json_and_flags_of_the_server(pushed_workspace: Workspace) -> None:
    port = free_port()
    process = serve(
        pushed_workspace.folder,
        "--json",
        f"--port={port}",
        "--rest-port=0",
        "--flag",
        "enable_model_warmup=false",
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert ready["grpc"] == [f"127.0.0.1:{port}"]
    assert ready["rest"] == ""
    assert set(ready["models"]) == set(contract.MODELS)
    assert ready["seconds"] > 0
    assert ready["memory_bytes"] > 100 << 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no model has been pushed to .* yet"),
        (["--flag", "no_such=1"], "unknown flag --no_such"),
        (["--port", "99999"], "--port must be 0 to 65535"),
    ],
)
def test_errors(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments:
        (tmp_path / "artifacts" / "serving_model" / contract.MODEL / "1").mkdir(parents=True)
    assert cli.main(["serve", *arguments]) == 2
    assert re.search(message, capsys.readouterr().err)
