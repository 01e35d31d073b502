"""Faults of a day, one after the other: no wrong answer, no leak, and each is to be seen.

An hour stands for a day: a fault about every ten seconds. MARQUEE_FAULT_SECONDS shortens it. Pushes,
retention and roll-backs are the pipeline's own; the clock is the server's alone (`support.clock`), and
the disks are small ones.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import shutil
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import grpc
import psutil
import pytest
from support.clock import Clock
from support.models import conformance_models
from support.servers.model_servers import OUR_COMMAND, Server, outputs_of, start, wait_until
from support.small_disk import fill, leave, small_disk
from support.workspace import REPOSITORY

import contract
from components.common import disk
from components.pusher import lifecycle, retention, versions
from components.pusher.publish import publish

SECONDS = float(os.environ.get("MARQUEE_FAULT_SECONDS", "3600"))
_KEPT = 3
# After a worker was killed or stopped: what it had accepted is lost, and who asked it asks again.
_DISTURBED_S = 40.0
_RESTARTS = "marquee:serving:process_restarts_total"
_DAY = 86_400


@dataclasses.dataclass(frozen=True)
class Sample:
    """What the processes that are never killed hold after a fault."""

    passed: float  # seconds since the beginning
    worker_bytes: int
    supervisor_bytes: int
    threads: int
    descriptors: int
    processes: int
    metric_lines: int
    files: int  # below push_to


class World:
    """A server, the versions that it may answer with, and who asks it all the time."""

    def __init__(self, folder: Path, served: Path, logs: Path, clock: Clock) -> None:
        self.folder, self.served, self.logs, self.clock = folder, served, logs, clock
        self.base = served / contract.MODEL
        self.newest = 0
        self.seen = 0  # of the log, when the fault began
        self.disturbed_until = 0.0
        self.wrong: list[str] = []
        self.answers: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self.log = logs / "server" / "access.log"
        self.log.parent.mkdir()
        self.publish()
        self.server: Server = start(
            OUR_COMMAND[:4],
            [
                f"--model_name={contract.MODEL}",
                f"--model_base_path={self.base}",
                "--workers=2",
                "--file_system_poll_wait_seconds=1",
                "--servable_versions_always_present=true",
                "--max_num_load_retries=0",
                f"--access_log={self.log}",
            ],
            folder,
            environment=clock.environment,
        )
        # It lives all day: what it holds in the end shows a leak.
        self.survivor = min(self.workers(), key=lambda worker: worker.pid)

    # --- the pipeline's part ----------------------------------------------------
    def sources(self) -> dict[str, str]:
        """A model that answers x/2 + N, N being the next version."""
        source = self.folder / "source"
        shutil.rmtree(source, ignore_errors=True)
        conformance_models.half_plus(source, float(self.newest + 1))
        return dict.fromkeys(contract.MODELS, str(source))

    def publish(self) -> None:
        """As the pusher does it."""
        sources = self.sources()
        retention.make_room(str(self.served), sum(map(disk.tree_bytes, sources.values())), _KEPT)
        self.newest = publish(sources, str(self.served), {}, now=self.newest + 1).number
        retention.apply(str(self.served), _KEPT)

    def live(self) -> list[int]:
        return versions.numbers(str(self.served), contract.MODEL)

    # --- who asks ---------------------------------------------------------------
    def _found(self, how: str, version: int, value: list[float]) -> None:
        self.answers[how] += 1
        if value != [2.0 + version] or not 1 <= version <= self.newest + 1:
            self.wrong.append(f"{how}: version {version}: {value}")

    def _refused(self, how: str, error: str) -> None:
        self.refused[how] += 1
        if time.monotonic() > self.disturbed_until:
            self.wrong.append(f"{how}: {error}")

    def ask_by_grpc(self, stop: threading.Event) -> None:
        """The answer says which version it is of."""
        while not stop.is_set():
            try:
                answer = self.server.predict(contract.MODEL, {"x": [4.0]}, timeout=20)
            except grpc.RpcError as error:
                self._refused("gRPC", str(error))
            else:
                self._found("gRPC", answer.model_spec.version.value, outputs_of(answer)["y"].tolist())
            stop.wait(0.02)

    def ask_by_rest(self, stop: threading.Event) -> None:
        """Of the newest version that answers, then by its number."""
        path = f"/v1/models/{contract.MODEL}"
        while not stop.is_set():
            try:
                answer = self.server.http("POST", f"{path}:predict", {"instances": [4.0]})
                number = answer.json["predictions"][0] - 2.0 if answer.status == 200 else 0
                if not number or number not in range(1, self.newest + 2):
                    self._refused("REST", f"{answer.status}: {answer.body.decode()}")
                else:
                    self.answers["REST"] += 1
            except OSError as error:
                self._refused("REST", repr(error))
            stop.wait(0.02)

    # --- what is seen -----------------------------------------------------------
    def workers(self) -> list[psutil.Process]:
        parent = psutil.Process(self.server.process.pid)
        return [child for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE]

    def other(self) -> psutil.Process:
        """A worker that may be killed."""
        return next(worker for worker in self.workers() if worker.pid != self.survivor.pid)

    def logged(self, text: str, times: int = 1) -> None:
        """Lines that came since the fault began."""

        def found() -> bool:
            return self.server.output[self.seen :].count(text) >= times

        # A worker that starts on a busy machine takes minutes.
        wait_until(found, 600, lambda: f"{text!r}\n{self.server.output[self.seen :][-4000:]}")

    def metrics(self) -> str:
        return self.server.http("GET", "/monitoring/prometheus/metrics").body.decode()

    def restarts(self) -> float:
        lines = [line for line in self.metrics().splitlines() if line.startswith(_RESTARTS)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def sample(self, passed: float) -> None:
        parent = psutil.Process(self.server.process.pid)
        with self.survivor.oneshot(), parent.oneshot():
            self.samples.append(
                Sample(
                    passed,
                    self.survivor.memory_info().rss,
                    parent.memory_info().rss,
                    self.survivor.num_threads() + parent.num_threads(),
                    self.survivor.num_fds() + parent.num_fds(),
                    len(parent.children()),
                    self.metrics().count("\n"),
                    sum(1 for _ in self.served.rglob("*")),
                )
            )


# --- faults, each with what shows it; the pages for operators name these ----------
def push(world: World) -> None:
    world.publish()
    world.logged(f"version {world.newest} answers", 2)


def broken_version(world: World) -> None:
    broken = world.base / str(world.newest + 1)
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"\xff")
    world.logged(f"version {world.newest + 1} does not load", 2)
    shutil.rmtree(broken)
    push(world)


def roll_back(world: World) -> None:
    if len(world.live()) < 2:
        push(world)
    before = world.live()[-2]
    lifecycle.roll_back(str(world.served), None, "a fault")
    world.logged(f"version {before} answers", 2)


def killed_worker(world: World) -> None:
    before = world.restarts()
    world.disturbed_until = time.monotonic() + _DISTURBED_S
    world.other().send_signal(signal.SIGKILL)
    world.logged("was killed by SIGKILL")
    world.logged("serves again")
    wait_until(lambda: world.restarts() == before + 1, explain=world.metrics)


def hanging_worker(world: World) -> None:
    worker = world.other()
    world.disturbed_until = time.monotonic() + 60 + _DISTURBED_S
    worker.suspend()
    world.logged("hangs (no sign of life for")
    world.logged("serves again")
    world.disturbed_until = time.monotonic() + _DISTURBED_S


def paused_server(world: World) -> None:
    """As a machine that is frozen for some seconds."""
    processes = [psutil.Process(world.server.process.pid), *world.workers()]
    world.disturbed_until = time.monotonic() + _DISTURBED_S
    for process in processes:
        process.suspend()
    time.sleep(7)
    for process in processes:
        process.resume()
    world.logged("the server was paused for")


def clock_jumps(world: World) -> None:
    """Also files from the future and from long ago."""
    world.clock.set(random.choice([-_DAY, _DAY, 400 * _DAY]))
    world.logged("the machine's clock jumped by")
    for path in (world.base / str(world.live()[-1])).rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            os.utime(path, (0, random.choice([0.0, time.time() + _DAY])))
    push(world)
    world.clock.set(0)
    world.logged("the machine's clock jumped by", 2)


def folder_gone(world: World) -> None:
    away = world.base.rename(world.served / "away")
    world.logged("cannot look into", 2)
    away.rename(world.base)
    time.sleep(2)


def versions_gone(world: World) -> None:
    away = world.served / "away"
    away.mkdir()
    for path in list(world.base.iterdir()):
        path.rename(away / path.name)
    world.logged("goes on answering", 2)
    for path in list(away.iterdir()):
        path.rename(world.base / path.name)
    away.rmdir()
    time.sleep(2)


def full_disk_of_models(world: World) -> None:
    """A push is refused before it begins; one that the disk ends gives everything back."""
    retention.apply(str(world.served), _KEPT - 1)  # what would make room
    filler = leave(world.served.parent, 8)
    with pytest.raises(disk.DiskFullError, match="are missing"):
        world.publish()
    live, files = world.live(), sorted(world.served.rglob("*"))
    with pytest.raises(OSError) as error:
        publish(world.sources(), str(world.served), {}, now=world.newest + 1)
    assert disk.is_full(error.value)
    assert (world.live(), sorted(world.served.rglob("*"))) == (live, files)
    filler.unlink()
    push(world)


def full_disk_of_logs(world: World) -> None:
    filler = fill(world.logs)
    world.logged("lines lost: ")
    filler.unlink()


def rotated_log(world: World) -> None:
    world.log.rename(world.log.with_suffix(".1"))
    world.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: world.log.exists() and world.log.stat().st_size > 0)
    world.log.with_suffix(".1").unlink()


def log_folder_gone(world: World) -> None:
    """A worker that is started anew meanwhile answers without a log."""
    shutil.rmtree(world.log.parent)
    world.server.process.send_signal(signal.SIGHUP)
    world.logged("cannot be opened anew", 2)
    world.disturbed_until = time.monotonic() + _DISTURBED_S
    world.other().send_signal(signal.SIGKILL)
    world.logged("serves again")
    world.log.parent.mkdir()
    world.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: world.log.exists() and world.log.stat().st_size > 0)


# What shows a fault, and how often it comes: a hang takes a minute.
FAULTS: dict[Callable[[World], None], tuple[str, float]] = {
    push: ("version N answers", 2),
    broken_version: ("version N does not load", 1),
    roll_back: ("marquee status", 1),
    killed_worker: ("was killed by", 2),
    hanging_worker: ("hangs (no sign of life", 0.2),
    paused_server: ("the server was paused for", 0.5),
    clock_jumps: ("the machine's clock jumped by", 1),
    folder_gone: ("cannot look into", 1),
    versions_gone: ("goes on answering", 1),
    full_disk_of_models: ("are missing", 1),
    full_disk_of_logs: ("lines lost: ", 1),
    rotated_log: ("logrotate", 1),
    log_folder_gone: ("cannot be opened anew", 0.3),
}


def test_the_pages_for_operators_name_what_shows_each_fault() -> None:
    page = (REPOSITORY / "docs" / "operate" / "first-month.md").read_text()
    assert [text for text, _ in (*FAULTS.values(), (_RESTARTS, 0)) if text.strip(": ") not in page] == []


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with small_disk(tmp_path / "models", 4096) as models, small_disk(tmp_path / "logs", 65_536) as logs:
        made = World(tmp_path, models / "served", logs, Clock(tmp_path))
        yield made
        made.server.stop()


def _typical(samples: Sequence[Sample], field: str) -> float:
    return statistics.median(getattr(sample, field) for sample in samples)


@pytest.mark.nightly("serving/model_server", "components/pusher")
@pytest.mark.timeout(SECONDS + 1200)
def test_a_day_of_faults(world: World) -> None:
    random.seed(7)
    stop = threading.Event()
    clients = [
        threading.Thread(target=ask, args=(stop,), daemon=True)
        for ask in (world.ask_by_grpc, world.ask_by_rest)
    ]
    for client in clients:
        client.start()
    began = time.monotonic()
    faults, weights = list(FAULTS), [often for _, often in FAULTS.values()]
    done: Counter[str] = Counter()
    try:
        while (passed := time.monotonic() - began) < SECONDS or done.total() < len(faults):
            first = done.total() < len(faults)
            fault = faults[done.total()] if first else random.choices(faults, weights)[0]
            world.seen = len(world.server.output)
            fault(world)
            done[fault.__name__] += 1
            assert world.wrong == [], fault.__name__
            assert len(world.live()) <= _KEPT
            world.sample(passed)
            time.sleep(min(4.0, SECONDS / 300))
    finally:
        stop.set()
        for client in clients:
            client.join(90)
        counts = f"{dict(done)}; answers {dict(world.answers)}, refused {dict(world.refused)}"
        print(f"{time.monotonic() - began:.0f} s: {counts}")  # noqa: T201  for docs/measurements/serving.md
    assert world.wrong == [] and min(world.answers["gRPC"], world.answers["REST"]) > done.total()
    assert world.server.http("GET", "/livez").status == 200
    # What the first faults take is no leak; from then on five in a hundred are one.
    early = [sample for sample in world.samples if 0.3 <= sample.passed / SECONDS < 0.5]
    late = [sample for sample in world.samples if sample.passed / SECONDS >= 0.8]
    grown = []
    for field in (field.name for field in dataclasses.fields(Sample)[1:]):
        before, after = _typical(early, field), _typical(late, field)
        print(f"{field}: {before:.0f} -> {after:.0f}")  # noqa: T201  for the same page
        if after > 1.05 * before:
            grown.append(field)
    assert grown == []
