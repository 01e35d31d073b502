"""The parent of several worker processes, which share the ports by SO_REUSEPORT.

It imports no TensorFlow. It decides what is loaded and when traffic moves,
starts workers that die anew, and passes signals on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.process import server
from serving.model_server.process.channel import Channel, ChannelClosedError
from serving.model_server.process.epoch import shared_epoch
from serving.model_server.process.options import ServerOptions
from serving.model_server.process.worker import EPOCH_FILE, Start
from serving.model_server.versions.coordinator import Coordinator, ReplicaDiedError
from serving.model_server.versions.servables import Table
from serving.protocol.errors import StatusError

_log = logging.getLogger(__name__)

# Seconds before a worker that died is started anew: doubled each time it dies young.
_BACKOFF_S = (0.5, 30.0)
# A worker that lived longer than this did not die young.
_YOUNG_S = 60.0
# Between two questions whether a worker is still there, and how long it may take to answer:
# it does so in its event loop, so one that does not answers no request either.
_ASK_EVERY_S = 10.0
_ANSWER_WITHIN_S = 60.0
# Beyond the grace period, for a worker to end by itself.
_KILL_AFTER_S = 10.0


async def serve(options: ServerOptions, on_ready: server.OnReady) -> int:
    """Serves with `options.workers` processes until SIGTERM or Ctrl-C; returns the exit code."""
    stopping = server.on_signals()
    with tempfile.TemporaryDirectory(prefix="marquee-serving-") as folder:
        pool = _Pool(options, folder, stopping)
        try:
            try:
                await _until(stopping, pool.start(on_ready))
            except (StatusError, ReplicaDiedError) as error:
                print(f"Failed to start server. Error: {error}", file=sys.stderr)
                return server.FAILED
            await stopping.wait()
            return stopping.code
        finally:
            await pool.stop()


async def _until(stopping: server.Stopping, starting: Any) -> None:
    """Waits for the start, or ends it when the server must end."""
    start, stop = asyncio.ensure_future(starting), asyncio.ensure_future(stopping.wait())
    await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not start.done():
        start.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await start


class Worker:
    """One worker process as the coordinator sees it."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.number = number
        self.process = process
        self.channel = channel
        self.started = time.monotonic()

    @classmethod
    async def spawn(cls, start: Start, reload: Any) -> Worker:
        """Starts a process and waits until it has imported what it needs.

        Raises:
          ReplicaDiedError: it died of that.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "serving.model_server.process.worker",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        channel = Channel(reader, writer, {"reload": reload})
        worker = cls(start.number, process, channel)
        worker.connection = asyncio.ensure_future(channel.run())
        await worker.call("start", start)
        return worker

    connection: asyncio.Future[None]

    async def call(self, name: str, *args: Any) -> Any:
        """Calls the worker.

        Raises:
          StatusError: what came of it.
          ReplicaDiedError: it died before it answered.
        """
        try:
            return await self.channel.call(name, *args)
        except ChannelClosedError:
            code = await self.process.wait()
            raise ReplicaDiedError(f"worker {self.number} {_way_of_ending(code)}") from None

    async def configure(self, config: model_server_config_pb2.ModelServerConfig) -> None:
        await self.call("configure", config.SerializeToString())

    async def load(self, name: str, version: int, path: str) -> None:
        await self.call("load", name, version, path)

    async def prepare(self, table: Table) -> None:
        await self.call("prepare", table)

    async def commit(self) -> None:
        await self.call("commit")

    async def unload(self, name: str, version: int) -> None:
        await self.call("unload", name, version)

    async def watched(self) -> int:
        """Its exit code, once it has ended; one that hangs is killed.

        It would keep its share of the connections, and every change of versions waits for all workers.
        """
        ended = asyncio.ensure_future(self.process.wait())
        while not (await asyncio.wait({ended}, timeout=_ASK_EVERY_S))[0]:
            try:
                await asyncio.wait_for(self.call("ping"), _ANSWER_WITHIN_S)
            except ReplicaDiedError:
                break
            except TimeoutError:
                _log.error(
                    "worker %d hangs (no answer for %g s) and is killed", self.number, _ANSWER_WITHIN_S
                )
                self.process.kill()
        return await ended

    async def stop(self, grace_s: float) -> None:
        """Drains and ends the process, and kills it if it does not end."""
        with contextlib.suppress(ReplicaDiedError):
            await self.call("stop")
        try:
            await asyncio.wait_for(self.process.wait(), grace_s + _KILL_AFTER_S)
        except TimeoutError:
            _log.error("worker %d does not end and is killed", self.number)
            self.process.kill()
            await self.process.wait()


class _Pool:
    def __init__(self, options: ServerOptions, folder: str, stopping: server.Stopping) -> None:
        self._options = options
        self._folder = folder
        self._stopping = stopping
        self._epoch = shared_epoch(Path(folder, EPOCH_FILE))
        self._workers: dict[int, Worker] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._coordinator = Coordinator(options, self._set_epoch, self._bug)

    def _set_epoch(self, epoch: int) -> None:
        self._epoch[0] = epoch

    def _bug(self, error: BaseException) -> None:
        _log.critical("versions are not looked after any more: the server ends", exc_info=error)
        self._stopping.broken = True
        self._stopping.set()

    async def start(self, on_ready: server.OnReady) -> None:
        numbers = range(self._options.workers)
        self._workers = dict(enumerate(await asyncio.gather(*(self._spawn(n) for n in numbers))))
        self._list_processes()
        await self._coordinator.start(list(self._workers.values()))
        await asyncio.gather(*(worker.call("serve") for worker in self._workers.values()))
        for number in numbers:
            keeper = asyncio.ensure_future(self._keep(number))
            keeper.add_done_callback(self._keeper_ended)
            self._keepers.append(keeper)
        pids = [worker.process.pid for worker in self._workers.values()]
        routed = await self._workers[0].call("routed")
        on_ready(server.is_ready(self._options, routed, [os.getpid(), *pids]))

    async def stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await self._coordinator.stop()
        grace_s = self._options.shutdown_grace_seconds
        await asyncio.gather(*(worker.stop(grace_s) for worker in self._workers.values()))

    async def _spawn(self, number: int) -> Worker:
        return await Worker.spawn(Start(self._options, number, self._folder), self._reload)

    async def _reload(self, config: bytes) -> None:
        await self._coordinator.reload(model_server_config_pb2.ModelServerConfig.FromString(config))

    async def _keep(self, number: int) -> None:
        """Starts a worker anew whenever it dies."""
        wait = _BACKOFF_S[0]
        while True:
            worker = self._workers[number]
            code = await worker.watched()
            self._coordinator.leave(worker)
            if time.monotonic() - worker.started > _YOUNG_S:
                wait = _BACKOFF_S[0]
            while True:
                _log.error("worker %d %s; starting it anew in %g s", number, _way_of_ending(code), wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, _BACKOFF_S[1])
                try:
                    worker = await self._revive(number)
                    break
                except (ReplicaDiedError, StatusError) as error:
                    _log.error("worker %d cannot serve: %s", number, error)
                    code = 1
            _log.info("worker %d serves again", number)

    async def _revive(self, number: int) -> Worker:
        worker = await self._spawn(number)
        self._workers[number] = worker
        self._list_processes()
        try:
            await self._coordinator.join(worker)
            await worker.call("serve")
        except (StatusError, asyncio.CancelledError):
            worker.process.kill()
            await worker.process.wait()
            self._coordinator.leave(worker)
            raise
        return worker

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            self._bug(error)

    def _list_processes(self) -> None:
        workers = {f"worker {number}": worker.process.pid for number, worker in self._workers.items()}
        self._coordinator.processes = {"parent": os.getpid(), **workers}


def _way_of_ending(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
