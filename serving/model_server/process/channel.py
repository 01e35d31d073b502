"""Calls between the parent and a worker process over a socket pair, in both directions."""

from __future__ import annotations

import asyncio
import itertools
import pickle
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from serving.protocol.errors import Code, StatusError

_LENGTH = struct.Struct("!I")
_CALL, _RESULT, _ERROR, _CANCEL = range(4)

Handler = Callable[..., Awaitable[Any]]


class ChannelClosedError(Exception):
    """The other side is gone."""


class Channel:
    """One end. Both ends are ours alone: what is pickled here is trusted.

    Args:
      reader, writer: streams over the socket.
      handlers: what the other side may call; each call runs in a task of its own.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Mapping[str, Handler]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handlers = handlers
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    async def call(self, name: str, *args: Any) -> Any:
        """Calls a handler of the other side.

        Raises:
          StatusError: what the handler raised.
          ChannelClosedError: the other side went before it answered.
        """
        if self._closed:
            raise ChannelClosedError
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._send(_CALL, number, (name, args))
        try:
            return await answer
        except asyncio.CancelledError:
            self._send(_CANCEL, number, None)
            raise
        finally:
            self._waiting.pop(number, None)

    async def run(self) -> None:
        """Answers calls until the other side is gone."""
        try:
            while True:
                header = await self._reader.readexactly(_LENGTH.size)
                message = await self._reader.readexactly(_LENGTH.unpack(header)[0])
                self._receive(*pickle.loads(message))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side ended: its way of ending is seen elsewhere
        finally:
            self._closed = True
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ChannelClosedError())
            for task in self._running.values():
                task.cancel()
            self._writer.close()

    def _send(self, kind: int, number: int, content: Any) -> None:
        if self._closed:
            return
        message = pickle.dumps((kind, number, content))
        self._writer.write(_LENGTH.pack(len(message)) + message)

    def _receive(self, kind: int, number: int, content: Any) -> None:
        if kind == _CALL:
            task = asyncio.get_running_loop().create_task(self._answer(number, *content))
            self._running[number] = task
            task.add_done_callback(lambda _: self._running.pop(number, None))
            return
        if kind == _CANCEL:
            if number in self._running:
                self._running[number].cancel()
            return
        answer = self._waiting.get(number)
        if answer is None or answer.done():
            return  # given up meanwhile
        if kind == _RESULT:
            answer.set_result(content)
        else:
            code, message = content
            answer.set_exception(StatusError(Code(code), message))

    async def _answer(self, number: int, name: str, args: tuple[Any, ...]) -> None:
        try:
            result = await self._handlers[name](*args)
        except StatusError as error:
            self._send(_ERROR, number, (int(error.code), error.message))
        except Exception as error:
            # The caller waits in another process; here the traceback is logged by asyncio.
            self._send(_ERROR, number, (int(Code.INTERNAL), f"{name}: {type(error).__name__}: {error}"))
            raise
        else:
            self._send(_RESULT, number, result)
