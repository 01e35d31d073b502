"""Faults of a day, one after the other: no wrong answer, no leak, and each is to be seen in the log.

An hour stands for a day: a fault about every ten seconds. MARQUEE_FAULT_SECONDS shortens it.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from support.models import conformance_models
from support.servers.model_servers import OUR_COMMAND, Server, outputs_of, start, wait_until

from serving.model_server.versions import version_folders

SECONDS = float(os.environ.get("MARQUEE_FAULT_SECONDS", "3600"))
_KEPT = 3
_SETTLED = 0.3  # of the time: what the first faults take is no leak


class World:
    """A server, the versions that it may answer with, and who asks it all the time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = folder / "m"
        self.newest = 0
        self.logs = 0
        self.wrong: list[str] = []
        self.answers = 0
        self.refused = 0
        self.push()
        self.server: Server = start(
            OUR_COMMAND[:4],
            [
                "--model_name=m",
                f"--model_base_path={self.base}",
                "--workers=2",
                "--file_system_poll_wait_seconds=1",
                "--servable_versions_always_present=true",
                "--max_num_load_retries=0",
                f"--access_log={folder}/access.log",
            ],
            folder,
        )

    def push(self) -> None:
        """A new version N, which answers x/2 + N; the oldest goes."""
        self.newest += 1
        staged = self.folder / "staged"
        conformance_models.half_plus(staged, float(self.newest))
        self.base.mkdir(exist_ok=True)
        staged.rename(self.base / str(self.newest))
        for old in sorted(map(int, os.listdir(self.base)))[:-_KEPT]:  # noqa: PTH208
            shutil.rmtree(self.base / str(old))

    def ask(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                answer = self.server.predict("m", {"x": [4.0]}, timeout=30)
            except grpc.RpcError as error:
                # A worker that was killed takes what it had accepted along.
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    self.wrong.append(str(error))
                self.refused += 1
                continue
            self.answers += 1
            version = answer.model_spec.version.value
            found = outputs_of(answer)["y"].tolist()
            if found != [2.0 + version] or not 1 <= version <= self.newest:
                self.wrong.append(f"version {version}: {found}")
            stop.wait(0.02)

    def workers(self) -> list[psutil.Process]:
        parent = psutil.Process(self.server.process.pid)
        return [child for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE]

    def memory(self) -> int:
        return sum(process.memory_info().rss for process in self.workers())

    def logged(self, text: str) -> None:
        """A line that came since the last fault."""
        wait_until(lambda: text in self.server.output[self.logs :], 90, lambda: self.server.output[-3000:])
        self.logs = len(self.server.output)


# --- faults, each with the line that shows it ------------------------------------
def push(world: World) -> None:
    world.push()
    world.logged(f"version {world.newest} answers")


def broken_version(world: World) -> None:
    world.newest += 1
    broken = world.base / str(world.newest)
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"\xff")
    world.logged(f"version {world.newest} does not load")
    shutil.rmtree(broken)
    push(world)


def killed_worker(world: World) -> None:
    os.kill(random.choice(world.workers()).pid, signal.SIGKILL)
    world.logged("was killed by SIGKILL")
    world.logged("serves again")


def stopped_worker_goes_on(world: World) -> None:
    """As a clock that jumps: nothing of it is seen for a while."""
    worker = random.choice(world.workers())
    worker.suspend()
    time.sleep(2)
    worker.resume()


def folder_gone(world: World) -> None:
    away = world.base.rename(world.folder / "away")
    world.logged("cannot look into")
    away.rename(world.base)
    time.sleep(2)


def versions_gone(world: World) -> None:
    away = world.folder / "away"
    away.mkdir()
    for path in list(world.base.iterdir()):
        path.rename(away / path.name)
    world.logged("goes on answering")
    for path in list(away.iterdir()):
        path.rename(world.base / path.name)
    away.rmdir()
    time.sleep(2)


def rotated_log(world: World) -> None:
    log = world.folder / "access.log"
    log.rename(world.folder / "access.log.1")
    world.server.process.send_signal(signal.SIGHUP)
    wait_until(log.exists)


def times_jump(world: World) -> None:
    """Files that are from tomorrow, or from 1970."""
    for path in (world.base / str(world.newest)).rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            os.utime(path, (0, random.choice([0.0, time.time() + 86_400])))
    time.sleep(1)


FAULTS: tuple[Callable[[World], None], ...] = (
    *(push, broken_version, killed_worker, stopped_worker_goes_on),
    *(folder_gone, versions_gone, rotated_log, times_jump),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.server.stop()


@pytest.mark.nightly("serving/model_server")
@pytest.mark.timeout(SECONDS + 1200)
def test_a_day_of_faults(world: World) -> None:
    random.seed(7)
    stop = threading.Event()
    client = threading.Thread(target=world.ask, args=(stop,), daemon=True)
    client.start()
    began, settled, count = time.monotonic(), 0, 0
    try:
        while (passed := time.monotonic() - began) < SECONDS or count < len(FAULTS):
            FAULTS[count % len(FAULTS) if count < len(FAULTS) else random.randrange(len(FAULTS))](world)
            count += 1
            assert world.wrong == []
            assert len(version_folders.find(str(world.base)).complete) <= _KEPT
            if not settled and passed > _SETTLED * SECONDS:
                settled = world.memory()
            time.sleep(min(5.0, SECONDS / 100))
    finally:
        stop.set()
        client.join(60)
    assert world.wrong == [] and world.answers > count
    wait_until(lambda: len(world.workers()) == 2)
    # Five in a hundred, and what one new process differs from another.
    assert world.memory() < 1.05 * settled + 32 * 2**20
    assert world.server.http("GET", "/livez").status == 200
