"""The parent of several worker processes, each a server of its own on shared ports (SO_REUSEPORT).

It imports no TensorFlow, runs no event loop and decides nothing about versions:
it starts workers, reaps them, starts those that ended anew, ends those that
hang, and passes SIGTERM on. There is never more than one process per worker.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from serving.model_server.process.options import ServerOptions
from serving.model_server.process.shared_state import SharedState
from serving.model_server.process.siblings import Start, way_of_ending

_log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "serving.model_server.process.worker")
_TICK_S = 0.2
# Seconds before a worker is started anew: doubled each time it ends young, or cannot be started.
_BACKOFF_S = (0.5, 30.0)
_MAX_DOUBLINGS = 16
# A worker that lived longer than this did not end young.
_YOUNG_S = 60.0
# A worker whose event loop has stood still for so long answers no request.
_HANGS_AFTER_S = 60.0
# A tick of the supervisor that took so long: the whole server was paused, and no worker hangs.
_PAUSED_AFTER_S = 5.0
# A clock that went so much further, or less far, than time did was set.
_CLOCK_JUMP_S = 5.0
# Beyond the grace period, for a worker to end by itself.
_KILL_AFTER_S = 10.0


@dataclasses.dataclass
class _Worker:
    number: int
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    next_start: float = 0.0
    young_ends: int = 0  # one after the other
    has_served: bool = False  # since the server was started, it or one before it
    is_back: bool = True  # False from its end until its successor answers


class Supervisor:
    """Keeps `options.workers` processes running.

    Args:
      options: of the server; every worker gets them.
      on_ready: called once every worker answers, with the versions by model and all pids.
      command: what starts a worker; it gets the descriptor of a pickled `Start`.
    """

    def __init__(
        self,
        options: ServerOptions,
        on_ready: Callable[[dict[str, tuple[int, ...]], list[int]], None],
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._options = options
        self._on_ready = on_ready
        self._command = tuple(command)
        self._state = SharedState(options.workers)
        self._state.set("newest_config", 1)
        # A worker's successor goes on counting where it ended.
        self._metrics = tuple(os.memfd_create("metrics") for _ in range(options.workers))
        self._workers = [_Worker(number) for number in range(options.workers)]
        self._signals: list[int] = []
        self._ticked = self._resumed = time.monotonic()
        self._clock = time.time() - self._ticked

    def run(self) -> int:
        """Serves until SIGTERM or Ctrl-C; returns the exit code.

        That is 0 after a signal, 128 and its number after a second one, 1 if a worker ends before it
        has answered for the first time.
        """
        with _woken_by_signals(self._signalled) as wait:
            try:
                while not self._signals:
                    self._tick()
                    for worker in self._workers:
                        self._look_after(worker)
                        if worker.process is None and not worker.has_served:
                            return 1
                    self._announce()
                    wait(_TICK_S)
            finally:
                self._stop(wait)
        return 128 + self._signals[1] if len(self._signals) > 1 else 0

    def _tick(self) -> None:
        """Notices that all processes stood still (Ctrl-Z, a frozen container): silence counts from now on.

        And that the clock was set: times in logs, and ages that Prometheus reckons, jump there.
        """
        now = time.monotonic()
        if now - self._ticked > _PAUSED_AFTER_S:
            _log.warning("the server was paused for %.0f s", now - self._ticked)
            self._resumed = now
        self._ticked = now
        jumped = time.time() - now - self._clock
        if abs(jumped) > _CLOCK_JUMP_S:
            _log.warning("the machine's clock jumped by %+.0f s", jumped)
            self._clock += jumped

    def _silent_seconds(self, worker: _Worker) -> float:
        return min(self._state.silent_seconds(worker.number), time.monotonic() - self._resumed)

    def _look_after(self, worker: _Worker) -> None:
        if worker.process is None:
            if time.monotonic() >= worker.next_start:
                self._start(worker)
        elif (code := worker.process.poll()) is not None:
            answered, loaded = (self._state.get(name, worker.number) != 0 for name in ("config", "loaded"))
            # Killed while its port opened; an exit code would mean that it cannot serve.
            worker.has_served |= answered or (loaded and code < 0)
            self._state.ended(worker.number, code)
            self._ended(worker, way_of_ending(code))
        elif not worker.is_back and self._state.get("config", worker.number):
            worker.is_back = True
            _log.info("worker %d serves again", worker.number)
        elif (seconds := self._silent_seconds(worker)) > _HANGS_AFTER_S:
            _log.error("worker %d hangs (no sign of life for %.0f s) and is killed", worker.number, seconds)
            worker.process.kill()
            self._state.set("alive_at", 0, worker.number)

    def _start(self, worker: _Worker) -> None:
        worker.started = time.monotonic()
        shared = (self._state.descriptor, *self._metrics)
        start = Start(self._options, worker.number, os.getpid(), shared[0], shared[1:])
        try:
            with os.fdopen(os.memfd_create("start"), "w+b") as file:
                file.write(pickle.dumps(start))
                file.flush()
                worker.process = subprocess.Popen(
                    [*self._command, str(file.fileno())],
                    pass_fds=[file.fileno(), *shared],
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                )
        except OSError as error:  # no memory, no process or no descriptor to be had
            self._ended(worker, f"could not be started: {error}")
        else:
            self._state.set("pid", worker.process.pid, worker.number)

    def _ended(self, worker: _Worker, how: str) -> None:
        worker.process = None
        if time.monotonic() - worker.started > _YOUNG_S:
            worker.young_ends = 0
        if not worker.has_served:
            _log.error("worker %d %s before it answered for the first time", worker.number, how)
            return
        seconds = min(_BACKOFF_S[0] * 2.0**worker.young_ends, _BACKOFF_S[1])
        _log.error("worker %d %s; starting it anew in %g s", worker.number, how, seconds)
        worker.next_start = time.monotonic() + seconds
        worker.young_ends = min(worker.young_ends + 1, _MAX_DOUBLINGS)
        worker.is_back = False
        self._state.set("restarts", self._state.get("restarts", worker.number) + 1, worker.number)

    def _announce(self) -> None:
        numbers = range(self._state.processes)
        if self._state.get("ready") or not all(self._state.get("config", number) for number in numbers):
            return
        with self._state.document() as document:
            models = {name: tuple(versions) for name, versions in document["models"].items()}
        self._state.set("ready", 1)
        self._on_ready(models, [os.getpid(), *(self._state.get("pid", number) for number in numbers)])

    def _stop(self, wait: Callable[[float], None]) -> None:
        """Drains and ends all workers; kills those that do not end, and all at a second signal."""
        running = [worker.process for worker in self._workers if worker.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self._options.shutdown_grace_seconds + _KILL_AFTER_S
        while running := [process for process in running if process.poll() is None]:
            if time.monotonic() > deadline or len(self._signals) > 1:
                for process in running:
                    _log.error("process %d does not end and is killed", process.pid)
                    process.kill()
                    process.wait()
            else:
                wait(_TICK_S)

    def _signalled(self, number: int, _: object) -> None:
        if (
            number == signal.SIGHUP and self._options.logs_to_a_file
        ):  # for logrotate: each worker begins its log files anew
            for worker in self._workers:
                if worker.process is not None:
                    worker.process.send_signal(number)
        elif number != signal.SIGCHLD:
            _log.info("%s: finishing the requests under way", signal.Signals(number).name)
            self._signals.append(number)


@contextlib.contextmanager
def _woken_by_signals(handler: Callable[[int, object], None]) -> Iterator[Callable[[float], None]]:
    """A function that sleeps for so many seconds, or until a signal comes."""
    reading, writing = socket.socketpair()
    with reading, writing:
        reading.setblocking(False)
        writing.setblocking(False)
        wakeup = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
        before = {number: signal.signal(number, handler) for number in numbers}

        def wait(seconds: float) -> None:
            if select.select([reading], [], [], seconds)[0]:
                reading.recv(4096)

        try:
            yield wait
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, found in before.items():
                signal.signal(number, found)
