"""Workers that end, hang, do not start or cannot be forked; small processes stand for the servers."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving.model_server.process import options, supervisor
from serving.model_server.process.supervisor import Supervisor

WORKERS = 2
# Answers at once and gives signs of life, unless FOLDER has a file that says otherwise.
WORKER = """
import pickle, signal, sys, time
from pathlib import Path
from serving.model_server.process.shared_state import SharedState

folder = Path(sys.argv[1])
start = pickle.loads(Path(f"/proc/self/fd/{sys.argv[2]}").read_bytes())
if (folder / "broken").exists():
    sys.exit(3)
if (folder / "stubborn").exists():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while (folder / f"slow {start.number}").exists():
    time.sleep(0.02)
state = SharedState(start.options.workers, start.state)
state.set("pid", __import__("os").getpid(), start.number)
with state.document() as document:
    document["models"] = {"m": [2, 1]}
state.set("config", 1, start.number)
while True:
    state.set("alive_at", time.monotonic_ns(), start.number)
    time.sleep(0.02)
"""


class Run:
    """A supervisor in the main thread, and what a test does meanwhile in another one."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        parsed = options.parse([f"--workers={WORKERS}", "--model_base_path=/unused"], {})
        self.folder = folder
        self._others = {child.pid for child in psutil.Process().children()}
        self.ready: list[Any] = []
        self.supervisor = Supervisor(
            dataclasses.replace(parsed, **fields),
            lambda models, pids: self.ready.append((models, pids)),
            (sys.executable, "-c", WORKER, str(folder)),
        )

    def __call__(self, meanwhile: Callable[[], None] = lambda: None) -> int:
        errors: list[BaseException] = []

        def drive() -> None:
            try:
                self.until(lambda: bool(self.ready))
                meanwhile()
            except BaseException as error:  # noqa: BLE001 (raised below)
                errors.append(error)
            os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=drive)
        thread.start()
        code = self.supervisor.run()
        thread.join()
        if errors:
            raise errors[0]
        assert self.children() == []
        return code

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert len(self.children()) <= WORKERS, "a process was left behind"
            assert time.monotonic() < end
            time.sleep(0.02)

    def children(self) -> list[psutil.Process]:
        """Processes of the supervisor; other tests may have servers of theirs."""
        return [child for child in psutil.Process().children() if child.pid not in self._others]

    def restarts(self) -> list[int]:
        return [self.supervisor._state.get("restarts", number) for number in range(WORKERS)]

    def answering(self) -> int:
        return sum(self.supervisor._state.get("config", number) > 0 for number in range(WORKERS))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Run]:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(supervisor, "_BACKOFF_S", (0.1, 0.4))
    monkeypatch.setattr(supervisor, "_TICK_S", 0.05)
    found = Run(tmp_path, shutdown_grace_seconds=0.5)
    yield found
    for child in found.children():
        child.kill()
        child.wait()


def test_all_workers_answer_before_the_server_is_ready_and_all_end_with_it(run: Run) -> None:
    pids: list[int] = []

    def meanwhile() -> None:
        pids.extend(child.pid for child in run.children())

    assert run(meanwhile) == 0
    [(models, announced)] = run.ready
    assert models == {"m": (2, 1)}
    assert announced[0] == os.getpid()
    assert sorted(announced[1:]) == sorted(pids)


@pytest.mark.parametrize(
    ("number", "how"),
    [(signal.SIGKILL, "was killed by SIGKILL"), (signal.SIGRTMIN + 1, "was killed by signal 35")],
)
def test_a_killed_worker_is_started_anew_and_counted(
    run: Run, number: int, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    def meanwhile() -> None:
        os.kill(run.ready[0][1][1], number)
        run.until(lambda: "worker 0 serves again" in caplog.text)
        assert run.restarts() == [1, 0]

    assert run(meanwhile) == 0
    assert f"worker 0 {how}; starting it anew in 0.1 s" in caplog.text


def test_a_worker_that_cannot_start_is_tried_again_and_leaves_no_process_behind(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """The metrics or log folder is gone, say: each try ended, and left a process."""

    def meanwhile() -> None:
        (run.folder / "broken").touch()
        os.kill(run.ready[0][1][2], signal.SIGKILL)
        run.until(lambda: run.restarts()[1] >= 5)  # `until` counts the processes
        assert run.answering() == WORKERS - 1
        (run.folder / "broken").unlink()
        run.until(lambda: run.answering() == WORKERS)

    assert run(meanwhile) == 0
    for wait in ("0.1", "0.2", "0.4"):
        assert f"starting it anew in {wait} s" in caplog.text
    assert caplog.text.count("worker 1 ended with exit code 3; starting it anew in 0.4 s") >= 2


def test_a_fork_that_fails_is_tried_again_and_the_others_go_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = subprocess.Popen
    refused: list[Any] = []

    def popen(*args: Any, **options: Any) -> Any:
        if len(refused) < 3:
            refused.append(args)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real(*args, **options)

    def meanwhile() -> None:
        monkeypatch.setattr(subprocess, "Popen", popen)
        os.kill(run.ready[0][1][1], signal.SIGKILL)
        run.until(lambda: len(refused) == 3)
        assert run.answering() == WORKERS - 1
        run.until(lambda: run.answering() == WORKERS)

    assert run(meanwhile) == 0
    assert "worker 0 could not be started: [Errno 11] Resource temporarily unavailable" in caplog.text


def test_a_worker_that_hangs_is_killed_and_replaced(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def meanwhile() -> None:
        monkeypatch.setattr(supervisor, "_HANGS_AFTER_S", 3.0)
        os.kill(run.ready[0][1][1], signal.SIGSTOP)
        run.until(lambda: "worker 0 serves again" in caplog.text)

    assert run(meanwhile) == 0
    assert "worker 0 hangs (no sign of life for 3 s) and is killed" in caplog.text
    assert "worker 0 was killed by SIGKILL" in caplog.text


def test_a_pause_of_the_whole_server_is_no_hang(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ctrl-Z or a frozen container; the supervisor is the first to go on."""
    monkeypatch.setattr(supervisor, "_HANGS_AFTER_S", 3.0)
    monkeypatch.setattr(supervisor, "_PAUSED_AFTER_S", 2.0)

    def meanwhile() -> None:
        own, *pids = run.ready[0][1]
        workers = " ".join(map(str, pids))
        pause = f"kill -STOP {workers} {own}; sleep 4; kill -CONT {own}; sleep 0.5; kill -CONT {workers}"
        subprocess.run(["sh", "-c", pause], check=True, start_new_session=True)
        time.sleep(0.2)
        assert "the server was paused for 4 s" in caplog.text
        assert "hangs" not in caplog.text
        assert run.restarts() == [0, 0]

    assert run(meanwhile) == 0


def test_a_clock_that_is_set_is_no_pause_and_is_said_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = time.time

    def meanwhile() -> None:
        for seconds in (0, -3600):
            monkeypatch.setattr(supervisor.time, "time", lambda seconds=seconds: clock() + seconds)
            time.sleep(0.6)
        assert caplog.text.count("the machine's clock jumped by") == 1
        assert "the machine's clock jumped by -3600 s" in caplog.text
        assert "paused" not in caplog.text and "hangs" not in caplog.text
        assert run.restarts() == [0, 0]

    assert run(meanwhile) == 0


def test_a_worker_that_does_not_end_is_killed(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "_KILL_AFTER_S", 0.1)
    (run.folder / "stubborn").touch()
    assert run() == 0
    assert caplog.text.count("does not end and is killed") == WORKERS


def test_a_second_signal_ends_it_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_KILL_AFTER_S", 600.0)
    (run.folder / "stubborn").touch()

    def meanwhile() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        run.until(lambda: bool(run.supervisor._signals))

    assert run(meanwhile) == 128 + signal.SIGTERM


def test_a_worker_that_ends_while_others_still_start_is_started_anew(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    (run.folder / "slow 1").touch()
    killed = threading.Event()

    def kill_the_first() -> None:
        while not run.answering():
            time.sleep(0.01)
        os.kill(run.supervisor._state.get("pid", 0), signal.SIGKILL)
        killed.set()
        run.until(lambda: "worker 0 serves again" in caplog.text)
        (run.folder / "slow 1").unlink()

    thread = threading.Thread(target=kill_the_first)
    thread.start()
    assert run() == 0
    thread.join()
    assert killed.is_set() and len(run.ready) == 1


def test_a_first_start_that_fails_ends_the_server(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    (run.folder / "broken").touch()
    assert run.supervisor.run() == 1
    assert run.children() == []
    assert "ended with exit code 3 before it answered for the first time" in caplog.text
    assert run.ready == []
