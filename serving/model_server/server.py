"""The model server in one process: load, open the ports, serve, drain."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from serving.model_server.coordinator import Coordinator
from serving.model_server.errors import StatusError
from serving.model_server.metrics import Metrics, resident_bytes
from serving.model_server.options import ServerOptions
from serving.model_server.ports import PortInUseError, Reservation
from serving.model_server.servables import Manager

_log = logging.getLogger(__name__)

OK = 0
FAILED = 1


def run(options: ServerOptions) -> int:
    """Serves until SIGTERM or Ctrl-C; returns the exit code."""
    announce(options)
    try:
        reserved = Reservation(options)
    except PortInUseError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    try:
        if options.workers > 1:
            from serving.model_server.workers import serve

            return asyncio.run(serve(options))
        import uvloop

        return uvloop.run(_serve(options))
    finally:
        reserved.close()


async def _serve(options: ServerOptions) -> int:
    stopping = on_signals()
    metrics = Metrics()
    frontend, manager = assemble(options, metrics)
    coordinator = Coordinator(options, manager.set_epoch, lambda error: _bug(error, stopping))
    manager.reload_config = coordinator.reload
    try:
        code = await _start(coordinator, manager, frontend, options, stopping)
        if code is None:
            await stopping.wait()
            code = stopping.code
    finally:
        await coordinator.stop()
        await drain(frontend, options.shutdown_grace_seconds)
    return code


async def _start(
    coordinator: Coordinator, manager: Manager, frontend: Any, options: ServerOptions, stopping: Stopping
) -> int | None:
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
    ready(options, manager.routed(), [os.getpid()])
    return None


def assemble(options: ServerOptions, metrics: Metrics, epoch: Any = None) -> tuple[Any, Manager]:
    """The frontend and the manager of one process. Imports TensorFlow, in the calling thread."""
    from serving.model_server import lean_tensorflow

    lean_tensorflow.install()
    from serving.model_server.frontend import Frontend
    from serving.model_server.loading import ModelLoader

    manager = Manager(ModelLoader(options, metrics), metrics, epoch, options.num_load_threads)
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
        print(f"{signal.Signals(number).name}: finishing the requests under way", flush=True)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopping


def _bug(error: BaseException, stopping: Stopping) -> None:
    _log.critical("versions are not looked after any more: the server ends", exc_info=error)
    stopping.broken = True
    stopping.set()


def announce(options: ServerOptions) -> None:
    """What is going to be served."""
    for warning in options.warnings:
        print(f"WARNING: {warning}", file=sys.stderr, flush=True)
    for model in options.config.model_config_list.config:
        choice = model.model_version_policy.WhichOneof("policy_choice") or "latest"
        print(f"model  {model.name}  {model.base_path}  ({choice})", flush=True)


def ready(options: ServerOptions, versions: dict[str, tuple[int, ...]], pids: list[int]) -> None:
    """Where it is served, and what it took."""
    for name, numbers in versions.items():
        print(f"serve  {name}  version {', '.join(map(str, numbers))}", flush=True)
    tls = "" if options.tls is None else " (mutual TLS)" if options.tls.client_verify else " (TLS)"
    if options.port:
        print(f"gRPC   {options.host}:{options.port}{tls}", flush=True)
    if options.grpc_socket_path:
        print(f"gRPC   unix:{options.grpc_socket_path}{tls}", flush=True)
    if options.rest_api_port:
        print(f"REST   http://{options.host}:{options.rest_api_port}/v1/models/NAME", flush=True)
    memory = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            memory += resident_bytes(pid)
    processes = f" in {len(pids)} processes" if len(pids) > 1 else ""
    print(f"ready  {seconds_since_start():.1f} s, {memory / 2**20:.0f} MiB{processes}", flush=True)


def seconds_since_start() -> float:
    """Seconds since this process was started, interpreter and imports included."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
