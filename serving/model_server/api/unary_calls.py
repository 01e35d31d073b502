"""Unary gRPC calls answered in an asyncio event loop, on gRPC's own completion queue.

`grpc.aio` hands over each of a call's events by a thread and a socket, and takes
one call per round of the loop: that costs three times what the call itself does
(benchmarks/serving.py, docs/measurements/serving.md). Here the loop takes every
event that is there in one go; a thread waits for the first one only while there
is none. Wire, TLS, limits and flow control are gRPC's in either case.

This is the one module that uses what `grpc.server` itself is made of,
`grpc._cython.cygrpc`. It is not public: where a part has moved, making
`UnaryCalls` fails, and `grpc_servers.py` answers by `grpc.aio`.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import heapq
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import grpc

try:
    from grpc._cython import cygrpc
except ImportError:
    cygrpc = None

_log = logging.getLogger(__name__)

_NO_FLAGS = 0
_NO_WAIT = 0.0  # a time that has passed
# Calls of a method that gRPC may hand over before the loop asks for the next.
_ACCEPTED_AHEAD = 64
# Events after which others in the loop have their turn.
_BURST = 64
# Messages that clients may hold back at a time.
MOST_HELD_BACK = 4
# That a client has for its message, as for a body of REST.
MESSAGE_SECONDS = 60.0
# Between looks for messages that are still on their way. One that so many looks met is held back.
_LOOK_S = 0.25
_LOOKS = 2
# Seconds since 1970: gRPC's "no deadline" lies beyond.
_NEVER = 1e15
_PARTS = (
    "CompletionQueue",
    "CompletionType",
    "ReceiveCloseOnServerOperation",
    "ReceiveMessageOperation",
    "SendInitialMetadataOperation",
    "SendMessageOperation",
    "SendStatusFromServerOperation",
)
# What making `UnaryCalls` raises if this grpcio is not built as those that were tried.
PARTS_HAVE_MOVED = (RuntimeError, AttributeError, TypeError)

Metadata = tuple[tuple[str, str | bytes], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What a call is answered with.

    Attributes:
      message: serialized; None if there is none, as with most errors.
      code: number of the status.
      details: of an error.
      trailing: metadata sent with the status.
    """

    message: bytes | None
    code: int = 0
    details: str = ""
    trailing: Metadata = ()


class Call(Protocol):
    """What a handler may ask of its call."""

    @property
    def metadata(self) -> Metadata:
        """As sent by the client."""

    @property
    def deadline(self) -> float | None:
        """time.monotonic() seconds of the client's deadline; None for none."""

    def peer(self) -> str:
        """The client's address."""


AnyCall = TypeVar("AnyCall", bound=Call)
# Calls whose message is on its way, the oldest first, by time.monotonic() of their headers.
_Arriving = dict["_Call", float]
# Serialized request -> reply. Cancelled when the client has gone or its deadline has passed.
Handler = Callable[[bytes, Call], Awaitable[Reply]]


class UnaryCalls:
    """Unary methods of a server. Made before it starts, stopped after it has.

    gRPC makes room for all of a message once its first bytes say how long it is, and holds what has come
    for as long as the client likes. So few may be held back at a time: the next is RESOURCE_EXHAUSTED, and
    one that is not there in time is DEADLINE_EXCEEDED.

    Args:
      server: not started yet; its other services stay its own.
      methods: full path -> handler. They take precedence over the server's.
      most_held_back: messages that may be on their way for more than half a second.
      message_seconds: time that a client has for its message.

    Raises:
      RuntimeError, AttributeError, TypeError: this grpcio is not built as those that were tried.
    """

    def __init__(
        self,
        server: grpc.Server,
        methods: Mapping[str, Handler],
        most_held_back: int = MOST_HELD_BACK,
        message_seconds: float = MESSAGE_SECONDS,
    ) -> None:
        if missing := [part for part in _PARTS if not hasattr(cygrpc, part)]:
            raise RuntimeError(f"cygrpc has no {', '.join(missing)}")
        core = getattr(server, "_cy_server", None)
        if core is None or not hasattr(core, "request_registered_call"):
            raise RuntimeError("its server takes no methods that are answered by a queue")
        self._timed_out = cygrpc.CompletionType.queue_timeout
        self._shut_down = cygrpc.CompletionType.queue_shutdown
        self._core = core
        self._methods = dict(methods)
        self._queue = cygrpc.CompletionQueue()
        core.register_completion_queue(self._queue)
        for path in self._methods:
            core.register_method(path)
        self._stopping = False
        self._may_wait = threading.Semaphore(0)
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._most_held_back = most_held_back
        self._message_seconds = message_seconds
        self._arriving: _Arriving = {}
        self._look_again: asyncio.TimerHandle | None = None
        self._waiting = False  # for events: there is none
        self._emptied = False  # the queue, since the last look

    def start(self) -> None:
        """Takes calls, in the running loop. The server must have been started."""
        self._loop = asyncio.get_running_loop()
        for path in self._methods:
            for _ in range(_ACCEPTED_AHEAD):
                self._accept(path)
        threading.Thread(target=self._wait, name="grpc_calls", daemon=True).start()
        self._may_wait.release()

    async def stop(self) -> None:
        """Gives the queue back. The server must have been stopped: no call is under way."""
        self._stopping = True
        if self._loop is not None:
            self._queue.shutdown()
            while not self._ended.is_set():
                await asyncio.sleep(0.005)

    # --- events -------------------------------------------------------------------
    def _wait(self) -> None:
        """Thread: waits for an event when the loop has found none."""
        assert self._loop is not None
        while True:
            self._may_wait.acquire()
            event = self._queue.poll(None)
            if event.completion_type == self._shut_down:
                self._ended.set()
                return
            self._loop.call_soon_threadsafe(self._first, event)
            del event  # it holds a call, which must not outlive its server

    def _first(self, event: Any) -> None:
        self._waiting = False
        self._handle(event)
        del event
        self._take_all()

    def _take_all(self) -> None:
        poll = self._queue.poll
        for _ in range(_BURST):
            event = poll(_NO_WAIT)
            if event.completion_type == self._timed_out:
                self._waiting = self._emptied = True
                self._may_wait.release()
                return
            if event.completion_type == self._shut_down:
                self._ended.set()
                return
            self._handle(event)
            del event
        assert self._loop is not None
        self._loop.call_soon(self._take_all)

    def _handle(self, event: Any) -> None:
        try:
            event.tag(event)
        except Exception:  # noqa: BLE001 (a bug met by one call must not end the others)
            _log.exception("a gRPC call could not be taken further")

    def _accept(self, path: str) -> None:
        self._core.request_registered_call(
            self._queue, self._queue, path, lambda event: self._called(path, event)
        )

    def _called(self, path: str, event: Any) -> None:
        if not event.success:  # the server has stopped
            return
        if not self._stopping:
            self._accept(path)
        call = _Call(event, path, self._methods[path], self._arriving)
        self._arriving[call] = time.monotonic()
        call.receive()
        self._look_later()

    def _look(self) -> None:
        """Refuses messages that are held back: some if they are too many, all in the end."""
        self._look_again = None
        # What is there already, but behind others in the queue, is not held back.
        emptied, self._emptied = self._emptied, self._waiting
        held_back = []
        for call in self._arriving if emptied else ():  # the oldest first
            call.looks += 1
            if call.looks >= _LOOKS:
                held_back.append(call)
        begun_before = time.monotonic() - self._message_seconds
        in_time = [call for call in held_back if self._arriving[call] >= begun_before]
        for call in held_back[: len(held_back) - len(in_time)]:
            text = f"the request's message was not there after {self._message_seconds:g} seconds"
            call.refuse(Reply(None, grpc.StatusCode.DEADLINE_EXCEEDED.value[0], text))
        for call in beyond(self._most_held_back, in_time):
            text = (
                f"{self._most_held_back} other messages are on their way already and come slowly: more "
                "would not fit --max_pending_request_bytes if each were as large as "
                "--grpc_max_message_bytes; try again later"
            )
            call.refuse(Reply(None, grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], text))
        self._look_later()

    def _look_later(self) -> None:
        if self._arriving and self._look_again is None and self._loop is not None:
            self._look_again = self._loop.call_later(_LOOK_S, self._look)


def beyond(most: int, calls: Sequence[AnyCall]) -> list[AnyCall]:
    """Which calls go so that `most` are left: the newest of the address that has the most, again and again.

    Args:
      calls: the oldest first.
    """
    by_address = collections.defaultdict(list)
    for call in calls:
        by_address[call.peer().rpartition(":")[0]].append(call)  # without the port
    largest = [(-len(mine), address) for address, mine in by_address.items()]
    heapq.heapify(largest)
    gone = []
    for _ in range(len(calls) - most):
        count, address = largest[0]
        gone.append(by_address[address].pop())
        heapq.heapreplace(largest, (count + 1, address))
    return gone


class _Call:
    """One call, from its headers to its status. What is under way in gRPC keeps it alive."""

    __slots__ = (
        "_alive",
        "_arriving",
        "_core",
        "_handler",
        "_path",
        "_task",
        "deadline",
        "looks",
        "metadata",
    )

    def __init__(self, event: Any, path: str, handler: Handler, arriving: _Arriving) -> None:
        self.looks = 0  # at messages on their way that met this one
        self._arriving = arriving
        self._core = event.call
        self._path = path
        self._handler = handler
        self._task: asyncio.Task[None] | None = None
        self._alive = True
        self.metadata: Metadata = event.invocation_metadata
        until = event.call_details.deadline
        self.deadline = None if until > _NEVER else time.monotonic() + until - time.time()

    def peer(self) -> str:
        found: bytes = self._core.peer()
        return found.decode("utf-8", "backslashreplace")

    def receive(self) -> None:
        self._core.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),), self._closed)
        self._core.start_server_batch((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), self._received)

    def _received(self, event: Any) -> None:
        self._arriving.pop(self, None)
        raw = event.batch_operations[0].message()
        if not self._alive:
            return
        if raw is None:
            # The code for a wrong number of messages: grpc.io, "Status codes and their use in gRPC".
            text = f'"{self._path}" requires exactly one request message.'
            self._reply(Reply(None, grpc.StatusCode.UNIMPLEMENTED.value[0], text))
            return
        self._task = asyncio.get_running_loop().create_task(self._answer(raw))

    def refuse(self, reply: Reply) -> None:
        """Answers a call whose message is not there yet; what has come of it is dropped."""
        self._arriving.pop(self, None)
        self._reply(reply)
        self._alive = False

    async def _answer(self, raw: bytes) -> None:
        try:
            reply = await self._handler(raw, self)
        except Exception as error:  # noqa: BLE001 (a bug met by one call is an answer to that call)
            _log.exception("%s", self._path)
            reply = Reply(None, grpc.StatusCode.INTERNAL.value[0], f"{type(error).__name__}: {error}")
        finally:
            # The task's context leads back to this call: all that the request holds would
            # otherwise wait for a search for cycles.
            self._task = None
        self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        if not self._alive:
            return
        operations = [cygrpc.SendInitialMetadataOperation((), _NO_FLAGS)]
        if reply.message is not None:
            operations.append(cygrpc.SendMessageOperation(reply.message, _NO_FLAGS))
        details = reply.details.encode()
        operations.append(
            cygrpc.SendStatusFromServerOperation(reply.trailing, reply.code, details, _NO_FLAGS)
        )
        self._core.start_server_batch(operations, self._sent)

    def _sent(self, event: Any) -> None:
        """Nothing is left to do; the status is on its way or the client has gone."""

    def _closed(self, event: Any) -> None:
        """The call is over: answered, cancelled or past its deadline."""
        self._alive = False
        self._arriving.pop(self, None)
        if self._task is not None and event.batch_operations[0].cancelled():
            self._task.cancel()
