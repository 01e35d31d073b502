"""A bound on the connections of REST, and on those of one address: silent ones hold descriptors too."""

from __future__ import annotations

import asyncio
import collections
import logging
import resource
import socket
import time
from typing import Any, Final

from aiohttp import web

from serving.model_server.process.ports import BACKLOG

_log = logging.getLogger(__name__)

_REMIND_S: Final = 60.0


class Bound:
    """How many connections there are, by address.

    Args:
      most: of all; one address may have half of them, so that it cannot shut others out.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_peer: collections.Counter[str] = collections.Counter()
        self._count = 0
        self._said = -_REMIND_S

    def enter(self, peer: str) -> bool:
        """Whether one more is taken."""
        if self._count >= self._most or self._by_peer[peer] >= max(1, self._most // 2):
            if time.monotonic() - self._said > _REMIND_S:
                self._said = time.monotonic()
                _log.warning(
                    "REST: connections are refused: %d are open, %d of %s (--max_connections)",
                    self._count,
                    self._by_peer[peer],
                    peer,
                )
            return False
        self._count += 1
        self._by_peer[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        """One has ended."""
        self._count -= 1
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]


class _Counted(asyncio.Protocol):
    """Hands everything to the protocol behind it, if the connection is taken at all."""

    def __init__(self, bound: Bound, inner: Any) -> None:
        self._bound = bound
        self._inner = inner
        self._peer: str | None = None

    def connection_made(self, transport: Any) -> None:
        address = transport.get_extra_info("peername")
        peer = str(address[0]) if isinstance(address, tuple) and address else ""
        if not self._bound.enter(peer):
            transport.abort()
            return
        self._peer = peer
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._peer is not None:
            self._inner.data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._peer is not None:
            self._bound.leave(self._peer)
            self._inner.connection_lost(error)

    def eof_received(self) -> None:
        if self._peer is not None:
            self._inner.eof_received()

    def pause_writing(self) -> None:
        if self._peer is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._peer is not None:
            self._inner.resume_writing()


async def serve(runner: web.AppRunner, opened: socket.socket, most: int = 0) -> None:
    """Answers what comes to a listening socket, until the runner ends.

    Args:
      runner: set up.
      opened: the socket.
      most: connections; 0 for half of the descriptors that this process may open.
    """
    bound = Bound(most or max(2, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))
    await _Site(runner, opened, bound).start()


class _Site(web.SockSite):
    def __init__(self, runner: web.AppRunner, opened: socket.socket, bound: Bound) -> None:
        super().__init__(runner, opened, backlog=BACKLOG)
        self._opened = opened
        self._bound = bound

    async def start(self) -> None:
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Counted(self._bound, server()), sock=self._opened, backlog=BACKLOG
        )
