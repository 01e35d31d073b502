"""The model server in one process: load, open the ports, serve, drain."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from serving.model_server.observe.metrics import Metrics, resident_bytes
from serving.model_server.process.options import ServerOptions
from serving.model_server.process.ports import PortInUseError, Reservation
from serving.model_server.versions.coordinator import Coordinator
from serving.model_server.versions.servables import Manager
from serving.protocol.errors import StatusError

_log = logging.getLogger(__name__)

OK = 0
FAILED = 1
# Objects that may be made before a garbage collection: more than requests under way have.
_GC_THRESHOLD = 50_000


def run(options: ServerOptions, on_ready: OnReady | None = None) -> int:
    """Serves until SIGTERM or Ctrl-C; returns the exit code.

    Args:
      options: what to serve and where.
      on_ready: called once the ports are open; prints a few lines if None.
    """
    on_ready = on_ready or print_ready
    announce(options)
    try:
        reserved = Reservation(options)
    except PortInUseError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    try:
        if options.workers > 1:
            from serving.model_server.process.workers import serve

            return asyncio.run(serve(options, on_ready))
        import uvloop

        return uvloop.run(_serve(options, on_ready))
    finally:
        reserved.close()


async def _serve(options: ServerOptions, on_ready: OnReady) -> int:
    stopping = on_signals()
    metrics = Metrics()
    frontend, manager = assemble(options, metrics)
    coordinator = Coordinator(options, manager.set_epoch, lambda error: _bug(error, stopping))
    manager.reload_config = coordinator.reload
    try:
        code = await _start(coordinator, manager, frontend, stopping)
        if code is None:
            on_ready(is_ready(options, manager.routed(), [os.getpid()]))
            await stopping.wait()
            code = stopping.code
    finally:
        await coordinator.stop()
        await drain(frontend, options.shutdown_grace_seconds)
    return code


async def _start(coordinator: Coordinator, manager: Manager, frontend: Any, stopping: Stopping) -> int | None:
    """Loads and opens; an exit code if that was all."""
    start = asyncio.ensure_future(coordinator.start([manager]))
    stop = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not start.done():
        start.cancel()
        return stopping.code
    stop.cancel()
    try:
        await start
        await frontend.start()
    except (StatusError, PortInUseError) as error:
        print(f"Failed to start server. Error: {error}", file=sys.stderr)
        return FAILED
    return None


def assemble(options: ServerOptions, metrics: Metrics, epoch: Any = None) -> tuple[Any, Manager]:
    """The frontend and the manager of one process. Imports TensorFlow, in the calling thread."""
    from serving.model_server.process import lean_tensorflow

    lean_tensorflow.install()
    from serving.model_server.process.frontend import Frontend
    from serving.model_server.versions.loading import ModelLoader

    # Requests leave no cycles behind; looking for them in all that the imports
    # made took up to a tenth of a request's CPU.
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    manager = Manager(ModelLoader(options, metrics), metrics, epoch)
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


def on_signals() -> Stopping:
    """An event that the first SIGTERM or SIGINT sets; the second one ends the process at once."""
    stopping = Stopping()
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        _log.info("%s: finishing the requests under way", signal.Signals(number).name)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopping


def _bug(error: BaseException, stopping: Stopping) -> None:
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
