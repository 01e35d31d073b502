"""The gRPC server: on gRPC's completion queue, or on `grpc.aio` where its private parts have moved."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import grpc

from serving.model_server.api import unary_calls
from serving.model_server.api.unary_calls import (
    MESSAGE_SECONDS,
    MOST_HELD_BACK,
    Handler,
    Metadata,
    UnaryCalls,
)

_log = logging.getLogger(__name__)

# For streams: reflection, and watchers of the health service. A thread waits for its stream's message, which
# the client may hold back at its largest; a watcher that has sent its own needs none.
_STREAM_THREADS = 8
_MOST_STREAMS = 1024
_STOP_POLL_S = 0.005
_CODES = {code.value[0]: code for code in grpc.StatusCode}

ChannelOptions = Sequence[tuple[str, int | str]]


class GrpcServer(Protocol):
    """A server whose unary methods are answered in the event loop.

    Attributes:
      services: what ports and other services are added to, before the start.
    """

    services: Any

    async def start(self) -> None:
        """Opens for calls, in the running loop."""

    async def stop(self, grace_s: float) -> None:
        """Takes no new calls; those under way have `grace_s` seconds before they are cut off."""


def make(
    methods: Mapping[str, Handler], options: ChannelOptions, most_held_back: int = MOST_HELD_BACK
) -> GrpcServer:
    """The fastest server that this grpcio allows; one warning if that is not the usual one.

    Args:
      methods: full path -> handler.
      options: gRPC's channel arguments.
      most_held_back: messages that may come slowly at a time; grpc.aio has no such bound.
    """
    try:
        return QueueServer(methods, options, most_held_back)
    except unary_calls.PARTS_HAVE_MOVED as error:
        _log.warning(
            "grpcio %s is not built as those that were tried (%s): gRPC is answered by grpc.aio, which "
            "takes about three times the CPU per request; install the version in the lock",
            grpc.__version__,
            error,
        )
        return AioServer(methods, options)


class QueueServer:
    """`grpc.server`, whose unary methods are taken from its completion queue."""

    def __init__(
        self,
        methods: Mapping[str, Handler],
        options: ChannelOptions,
        most_held_back: int = MOST_HELD_BACK,
        message_seconds: float = MESSAGE_SECONDS,
    ) -> None:
        self.services = grpc.server(
            ThreadPoolExecutor(_STREAM_THREADS), options=options, maximum_concurrent_rpcs=_MOST_STREAMS
        )
        self._calls = UnaryCalls(self.services, methods, most_held_back, message_seconds)

    async def start(self) -> None:
        self.services.start()
        self._calls.start()

    async def stop(self, grace_s: float) -> None:
        ended = self.services.stop(max(grace_s, 0.0))
        while not ended.is_set():
            await asyncio.sleep(_STOP_POLL_S)
        await self._calls.stop()


class AioServer:
    """`grpc.aio`: public interfaces alone. To be made in a running loop."""

    def __init__(self, methods: Mapping[str, Handler], options: ChannelOptions) -> None:
        self.services = grpc.aio.server(ThreadPoolExecutor(_STREAM_THREADS), options=options)
        by_service: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
        for path, handler in methods.items():
            _, service, method = path.split("/")
            by_service.setdefault(service, {})[method] = grpc.unary_unary_rpc_method_handler(_aio(handler))
        self.services.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(*each) for each in by_service.items()]
        )

    async def start(self) -> None:
        await self.services.start()

    async def stop(self, grace_s: float) -> None:
        await self.services.stop(max(grace_s, 0.0))


class _AioCall:
    def __init__(self, context: Any) -> None:
        self._context = context
        self.metadata: Metadata = tuple(context.invocation_metadata() or ())
        left = context.time_remaining()
        self.deadline = None if left is None else time.monotonic() + left

    def peer(self) -> str:
        found: str = self._context.peer()
        return found


def _aio(handler: Handler) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def answer(raw: bytes, context: Any) -> bytes:
        try:
            reply = await handler(raw, _AioCall(context))
        except Exception as error:
            _log.exception("a gRPC call")
            await context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
            raise AssertionError("abort raises") from error
        if reply.code or reply.message is None:
            await context.abort(_CODES[reply.code], reply.details, reply.trailing)
        context.set_trailing_metadata(reply.trailing)
        assert reply.message is not None
        return reply.message

    return answer
