"""A worker process: loads and serves what its parent says.

python -m serving.model_server.process.worker FD
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.__main__ import leave, prepare_process
from serving.model_server.process.channel import Channel, ChannelClosedError
from serving.model_server.process.options import ServerOptions
from serving.model_server.process.ports import PortInUseError
from serving.model_server.versions.servables import Table
from serving.protocol.errors import Code, StatusError

_log = logging.getLogger(__name__)

EPOCH_FILE = "epoch"


@dataclasses.dataclass(frozen=True)
class Start:
    """What a worker is told first.

    Attributes:
      options: of the server.
      number: of this worker.
      folder: for metrics and the epoch, shared by all.
    """

    options: ServerOptions
    number: int
    folder: str


async def work(descriptor: int) -> int:
    """Serves until the parent says stop or is gone; returns the exit code."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    worker = _Worker(stopping)
    channel = Channel(reader, writer, worker.handlers())
    worker.channel = channel
    connection = asyncio.ensure_future(channel.run())
    connection.add_done_callback(lambda _: stopping.set())
    await stopping.wait()
    await worker.drain()
    connection.cancel()
    return 0


class _Worker:
    """Handlers of the parent's calls."""

    channel: Channel

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._frontend: Any = None
        self._manager: Any = None
        self._grace_s = 0.0

    def handlers(self) -> dict[str, Any]:
        return {
            "start": self._start,
            "configure": self._configure,
            "load": self._load,
            "prepare": self._prepare,
            "commit": self._commit,
            "unload": self._unload,
            "serve": self._serve,
            "routed": self._routed,
            "ping": self._ping,
            "stop": self._stop,
        }

    async def _start(self, start: Start) -> None:
        from serving.model_server.observe.metrics import Metrics
        from serving.model_server.process.epoch import shared_epoch
        from serving.model_server.process.server import assemble

        self._grace_s = start.options.shutdown_grace_seconds
        metrics = Metrics(start.folder, start.number)
        epoch = shared_epoch(Path(start.folder, EPOCH_FILE))
        self._frontend, self._manager = assemble(start.options, metrics, epoch)
        self._manager.reload_config = self._reload

    async def _reload(self, config: model_server_config_pb2.ModelServerConfig) -> None:
        try:
            await self.channel.call("reload", config.SerializeToString())
        except ChannelClosedError:
            raise StatusError(Code.UNAVAILABLE, "the server is stopping") from None

    async def _configure(self, config: bytes) -> None:
        await self._manager.configure(model_server_config_pb2.ModelServerConfig.FromString(config))

    async def _load(self, name: str, version: int, path: str) -> None:
        await self._manager.load(name, version, path)

    async def _prepare(self, table: Table) -> None:
        await self._manager.prepare(table)

    async def _commit(self) -> None:
        await self._manager.commit()

    async def _unload(self, name: str, version: int) -> None:
        await self._manager.unload(name, version)

    async def _serve(self) -> None:
        try:
            await self._frontend.start()
        except PortInUseError as error:
            raise StatusError(Code.UNAVAILABLE, str(error)) from error

    async def _routed(self) -> dict[str, tuple[int, ...]]:
        return dict(self._manager.routed())

    async def _ping(self) -> None:
        """The event loop turns."""

    async def _stop(self) -> None:
        self._stopping.set()

    async def drain(self) -> None:
        if self._frontend is not None:
            from serving.model_server.process.server import drain

            await drain(self._frontend, self._grace_s)


def main() -> int:
    # Ctrl-C reaches the whole process group; the parent says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_process()
    import uvloop

    return uvloop.run(work(int(sys.argv[1])))


if __name__ == "__main__":
    leave(main())
