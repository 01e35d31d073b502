"""`marquee demo`: the page is up while the first model is made, becomes the app, and all ends with Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from support.workspace import REPOSITORY, Workspace, settings

from benchmarks.harness.ports import free_port

pytestmark = pytest.mark.long


def get(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_from_nothing_pushed_to_the_app_and_its_end(workspace_to_run_in: Workspace, tmp_path: Path) -> None:
    # Nothing is pushed there; the run finds its steps in the cache.
    elsewhere = settings(push_to=tmp_path / "models")
    command = [sys.executable, "-m", "pipeline.cli", "demo", "--json", "--port", str(free_port())]
    process = subprocess.Popen(
        [*command, "--data", str(workspace_to_run_in.data), *elsewhere],
        cwd=workspace_to_run_in.folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        if line.startswith('{"page"'):
            said.append(json.loads(line))
            status, text = get(said[-1]["page"])
            if said[-1]["state"].startswith("ready"):
                break
            assert (status, "steps" in text or "No model" in text) == (503, True)
    assert len(said) == 2, said
    assert status == 200
    assert "What do" in text
    parts = psutil.Process(process.pid).children(recursive=True)
    assert len(parts) >= 2
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    _, alive = psutil.wait_procs(parts, timeout=10)
    assert alive == []


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", "demo", "--port", str(port)],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 2
    assert f"port {port}" in done.stderr and "--port N" in done.stderr


def test_a_part_that_dies_ends_the_demo_with_its_last_words(
    pushed_workspace: Workspace, tmp_path: Path
) -> None:
    given = settings(artifacts=tmp_path, push_to=pushed_workspace.artifacts / "serving_model")
    command = [sys.executable, "-m", "pipeline.cli", "demo", "--json", "--port", str(free_port())]
    process = subprocess.Popen(
        [*command, *given], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    parts: list[psutil.Process] = []
    while not parts and time.monotonic() < deadline:
        time.sleep(0.2)
        parts = [
            one for one in psutil.Process(process.pid).children() if "serving.app" in " ".join(one.cmdline())
        ]
    os.kill(parts[0].pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the app has ended with code -9" in errors
