"""Numbers and the document that processes share, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from serving.model_server.process.shared_state import SharedState

REPOSITORY = Path(__file__).parents[4]
COUNT = """
import os, signal, sys
from serving.model_server.process.shared_state import SharedState
descriptor, number, times = map(int, sys.argv[1:4])
state = SharedState(2, descriptor)
for _ in range(times):
    with state.document() as document:
        document["count"] = document.get("count", 0) + 1
        document["long"] = "x" * (document["count"] * 100)
    state.set("restarts", state.get("restarts", number) + 1, number)
with state.document() as document:
    document["count"] = "half"
    os.kill(os.getpid(), signal.SIGKILL)  # it holds the lock, and has not written
"""


def counting(state: SharedState, number: int, times: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", COUNT, str(state.descriptor), str(number), str(times)],
        cwd=REPOSITORY,
        pass_fds=[state.descriptor],
    )


def test_processes_change_the_document_one_after_the_other_and_may_be_killed_meanwhile() -> None:
    state = SharedState(2)
    processes = [counting(state, number, 300) for number in range(2)]
    assert [process.wait(120) for process in processes] == [-signal.SIGKILL] * 2
    with state.document() as document:
        assert document == {"count": 600, "long": "x" * 60_000}
    assert [state.get("restarts", number) for number in range(2)] == [300, 300]


def test_a_process_that_ended_is_forgotten_but_for_how_it_ended() -> None:
    state = SharedState(2)
    other = SharedState(2, os.dup(state.descriptor))
    for name in ("pid", "alive_at", "loaded", "config", "restarts"):
        state.set(name, 7, 1)
    assert other.silent_seconds(0) == 0.0
    assert other.silent_seconds(1) > 0.0
    state.ended(1, -signal.SIGABRT)
    names = ("pid", "alive_at", "loaded", "config", "exit_code", "restarts")
    assert [other.get(name, 1) for name in names] == [0, 0, 0, 0, -signal.SIGABRT, 7]
    assert [other.get(name, 0) for name in names] == [0] * 6
