"""One process of the model server: load, open the ports, serve, drain."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from serving import collector
from serving.model_server.observe import certificates
from serving.model_server.observe.metrics import Metrics, resident_bytes
from serving.model_server.process.options import ServerOptions
from serving.model_server.process.ports import PortInUseError
from serving.model_server.process.siblings import Siblings
from serving.model_server.versions.coordinator import Coordinator, no_trial
from serving.model_server.versions.servables import Manager
from serving.protocol.errors import StatusError

_log = logging.getLogger(__name__)

OK = 0
FAILED = 1


async def serve(
    options: ServerOptions,
    metrics: Metrics,
    on_answers: Callable[[dict[str, tuple[int, ...]]], None],
    siblings: Siblings | None = None,
) -> int:
    """Loads, opens the ports, serves until SIGTERM or Ctrl-C, drains; returns the exit code.

    Args:
      options: what to serve and where.
      metrics: of this process.
      on_answers: called with the versions by model once the ports are open.
      siblings: the other worker processes of the server; None if this is the only process.
    """
    # Ctrl-C reaches the whole process group: a worker leaves it to its supervisor.
    stopping = on_signals(signal.SIGTERM, *([signal.SIGINT] if siblings is None else []))
    frontend, manager = assemble(options, metrics)
    if options.logs_to_a_file:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, frontend.reopen_logs)
    trial = no_trial if siblings is None else siblings.trial
    coordinator = Coordinator(options, manager, functools.partial(_bug, stopping), trial)
    manager.reload_config = coordinator.reload if siblings is None else siblings.reload
    signs = None if siblings is None else asyncio.ensure_future(siblings.give_signs_of_life(stopping.set))
    beside = [] if signs is None else [signs]
    try:
        code = await _start(coordinator, frontend, stopping, siblings)
        if code is None:
            models = manager.routed()
            if siblings is not None:
                siblings.answers(models)
                beside.append(asyncio.ensure_future(siblings.follow_reloads()))
            for task in beside:
                task.add_done_callback(functools.partial(_ended, stopping))
            on_answers(models)
            await stopping.wait()
            code = stopping.code
    finally:
        for task in beside:
            if task is not signs:
                task.cancel()
        await coordinator.stop()
        await drain(frontend, options.shutdown_grace_seconds)
        # Not before: a worker that finishes its requests for longer than a hang lasts is none.
        if signs is not None:
            signs.cancel()
    return code


async def _start(
    coordinator: Coordinator, frontend: Any, stopping: Stopping, siblings: Siblings | None
) -> int | None:
    """Loads and opens; an exit code if that was all."""
    start = asyncio.ensure_future(_load_and_open(coordinator, frontend, siblings))
    stop = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not start.done():
        start.cancel()
        await asyncio.wait([start])
        return stopping.code
    try:
        await start
    except (StatusError, PortInUseError) as error:
        print(f"Failed to start server. Error: {error}", file=sys.stderr)
        return FAILED
    return None


async def _load_and_open(coordinator: Coordinator, frontend: Any, siblings: Siblings | None) -> None:
    if siblings is not None:
        siblings.starts(coordinator)
    await coordinator.start(in_force=siblings is not None and siblings.config_in_force)
    if siblings is not None:
        await siblings.all_loaded()
        await siblings.catch_up(coordinator)
    await frontend.start()


def assemble(options: ServerOptions, metrics: Metrics) -> tuple[Any, Manager]:
    """The frontend and the manager of one process. Imports TensorFlow, in the calling thread."""
    from serving.model_server.process import lean_tensorflow

    lean_tensorflow.install()
    from serving.model_server.process.frontend import Frontend
    from serving.model_server.versions.loading import ModelLoader

    collector.settle()
    manager = Manager(ModelLoader(options, metrics), metrics)
    return Frontend(options, manager, metrics), manager


async def drain(frontend: Any, grace_s: float) -> None:
    """Ends a frontend, and never takes longer than the grace period allows."""
    try:
        await asyncio.wait_for(frontend.stop(grace_s), grace_s + 5)
    except TimeoutError:
        _log.warning("something did not end %g s after it was cut off", 5)


class Stopping(asyncio.Event):
    """Set when the server must end.

    Attributes:
      broken: whether because of a bug.
    """

    broken = False

    @property
    def code(self) -> int:
        return FAILED if self.broken else OK


def on_signals(*numbers: int) -> Stopping:
    """An event that the first of these signals sets; the second one ends the process at once."""
    stopping = Stopping()
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        _log.info("%s: finishing the requests under way", signal.Signals(number).name)
        stopping.set()

    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    return stopping


def _ended(stopping: Stopping, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _bug(stopping, error)


def _bug(stopping: Stopping, error: BaseException) -> None:
    _log.critical("versions are not looked after any more: the server ends", exc_info=error)
    stopping.broken = True
    stopping.set()


@dataclasses.dataclass(frozen=True)
class Ready:
    """A server that answers.

    Attributes:
      models: versions that answer, by model, newest first.
      grpc: addresses of gRPC.
      rest: URL of REST, "" if there is none.
      tls: "none", "TLS" or "mutual TLS"; of gRPC.
      seconds: since the process was started.
      memory_bytes: resident, all processes together.
      processes: how many there are.
    """

    models: dict[str, tuple[int, ...]]
    grpc: tuple[str, ...]
    rest: str
    tls: str
    seconds: float
    memory_bytes: int
    processes: int


OnReady = Callable[[Ready], None]


def announce(options: ServerOptions) -> None:
    """What is going to be served."""
    for warning in options.warnings:
        print(f"WARNING: {warning}", file=sys.stderr, flush=True)
    if options.tls is not None:
        for warning in certificates.warnings(options.tls, time.time()):
            print(f"WARNING: {warning}", file=sys.stderr, flush=True)
    for model in options.config.model_config_list.config:
        choice = model.model_version_policy.WhichOneof("policy_choice") or "latest"
        _log.info("model %s: versions under %s (%s)", model.name, model.base_path, choice)


def is_ready(options: ServerOptions, models: dict[str, tuple[int, ...]], pids: Sequence[int]) -> Ready:
    """What is served where, and what it took."""
    grpc = [f"{options.host}:{options.port}"] if options.port else []
    if options.grpc_socket_path:
        grpc.append(f"unix:{options.grpc_socket_path}")
    memory = 0
    for pid in pids:
        with contextlib.suppress(OSError):  # a worker that has just died
            memory += resident_bytes(pid)
    return Ready(
        models=models,
        grpc=tuple(grpc),
        rest=f"http://{options.host}:{options.rest_api_port}" if options.rest_api_port else "",
        tls="none" if options.tls is None else "mutual TLS" if options.tls.client_verify else "TLS",
        seconds=seconds_since_start(),
        memory_bytes=memory,
        processes=len(pids),
    )


def print_ready(ready: Ready) -> None:
    """The lines of a start."""
    for name, numbers in ready.models.items():
        print(f"model  {name}  version {', '.join(map(str, numbers))}")
    for address in ready.grpc:
        print(f"gRPC   {address}{'' if ready.tls == 'none' else f'  ({ready.tls})'}")
    if ready.rest:
        print(f"REST   {ready.rest}/v1/models/NAME")
    processes = f" in {ready.processes} processes" if ready.processes > 1 else ""
    print(f"ready  {ready.seconds:.1f} s, {ready.memory_bytes / 2**20:.0f} MiB{processes}", flush=True)


def seconds_since_start() -> float:
    """Seconds since this process was started, interpreter and imports included."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
