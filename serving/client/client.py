"""The client: the same methods to be awaited, or to be called."""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import contract
from serving.client import address as addresses
from serving.client import calls
from serving.client.background import BackgroundLoop
from serving.client.calls import Attempt, Call, Options, Transport
from serving.client.errors import ServingError, Target, TransportError
from serving.client.retry import Retry
from serving.client.tls import Tls

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")

REQUEST_ID = "x-request-id"
DEFAULT_TIMEOUT_S = 10.0


class _Connection:
    """A server, and how to talk to it.

    Nothing of TensorFlow is imported.

    Args:
      address: "host:port" or "unix:PATH" for gRPC, "http://host:port" or
        "https://host:port" for REST.
      model: name.
      version, label: one of them, to ask a version that is not the newest.
      timeout_s: seconds for a call, retries included; None for no limit.
      retry: when to ask again.
      tls: for gRPC turns TLS on; for https the certificates to trust.
      metadata: sent with every call, as gRPC metadata or HTTP headers.

    Raises:
      ValueError: an address, a limit or a file that cannot be.
    """

    def __init__(
        self,
        address: str,
        *,
        model: str = contract.MODEL,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = DEFAULT_TIMEOUT_S,
        retry: Retry | None = None,
        tls: Tls | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.address = addresses.parse(address)
        self.model = model
        if tls is not None and self.address.protocol == "rest" and not self.address.encrypted:
            raise ValueError(f"{address} is plain HTTP, so tls would not be used; write https://")
        self._defaults: Options = {
            "model": model,
            "version": version,
            "label": label,
            "timeout_s": timeout_s,
            "metadata": metadata or {},
        }
        self._retry = retry or Retry()
        self._tls = tls
        self._connect = _transport_class(self.address)
        self._transport: Transport | None = None
        # What is wrong with the defaults is told here, not at the first call.
        _target(self.address.text, "", self._defaults)
        _deadline(timeout_s)

    async def _run(self, call: Call[T]) -> T:
        options: Options = {**self._defaults, **call.options}
        target = _target(self.address.text, call.signature, options)
        deadline = _deadline(options["timeout_s"])
        request_id = options.get("request_id") or uuid.uuid4().hex
        given = {**self._defaults["metadata"], **options["metadata"]}
        # gRPC takes no capitals, HTTP makes no difference.
        metadata = {**{name.lower(): value for name, value in given.items()}, REQUEST_ID: request_id}
        for number in itertools.count(1):
            try:
                return await call.send(self._opened(), Attempt(target, _remaining(deadline), metadata))
            except TransportError as error:
                delay = self._retry.delay(error, number, _remaining(deadline))
                if delay is None:
                    raise ServingError(target, error.code, error.message, request_id, number) from error
            await asyncio.sleep(delay)
        raise AssertionError("counting has no end")

    def _opened(self) -> Transport:
        # Not before the first call: a transport belongs to the event loop that runs.
        if self._transport is None:
            self._transport = self._connect(self.address, self._tls)
        return self._transport

    async def _close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()


def _awaited(
    build: Callable[P, Call[T]],
) -> Callable[Concatenate[_Connection, P], Coroutine[Any, Any, T]]:
    """A method of AsyncClient with the arguments of `build`."""

    async def method(self: _Connection, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(build(*args, **kwargs))

    return _described(method, build)


def _called(build: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    """A method of Client with the arguments of `build`."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.run(self._run(build(*args, **kwargs)))

    return _described(method, build)


def _described(method: Callable[Q, R], build: Callable[..., Any]) -> Callable[Q, R]:
    """The method under the name, arguments and description of `build`, for help() and editors."""
    described = functools.wraps(build)(method)
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signature = inspect.signature(build)
    described.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[self, *signature.parameters.values()]
    )
    return described


class AsyncClient(_Connection):
    __doc__ = f"""{_Connection.__doc__}
    Every method is a coroutine; all calls of a client belong to one event loop.

    Example:
        async with AsyncClient("localhost:8500") as client:
            for item in await client.recommend([("318", 5.0), ("858", 4.5)], k=5):
                print(item.item_id, item.score)
    """

    predict = _awaited(calls.predict)
    recommend = _awaited(calls.recommend)
    recommend_batch = _awaited(calls.recommend_batch)
    recommend_user = _awaited(calls.recommend_user)
    recommend_user_batch = _awaited(calls.recommend_user_batch)
    similar = _awaited(calls.similar)
    similar_batch = _awaited(calls.similar_batch)
    rate = _awaited(calls.rate)
    rate_batch = _awaited(calls.rate_batch)
    explain = _awaited(calls.explain)
    explain_batch = _awaited(calls.explain_batch)
    details = _awaited(calls.details)
    status = _awaited(calls.status)
    describe = _awaited(calls.describe)
    resolve = _awaited(calls.resolve)

    async def close(self) -> None:
        await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Client(_Connection):
    __doc__ = f"""{_Connection.__doc__}
    Every method blocks; any number of threads may share a client.

    Example:
        with Client("http://localhost:8501") as client:
            for item in client.recommend([("318", 5.0), ("858", 4.5)], k=5):
                print(item.item_id, item.score)
    """

    @functools.cached_property
    def _loop(self) -> BackgroundLoop:
        return BackgroundLoop()

    predict = _called(calls.predict)
    recommend = _called(calls.recommend)
    recommend_batch = _called(calls.recommend_batch)
    recommend_user = _called(calls.recommend_user)
    recommend_user_batch = _called(calls.recommend_user_batch)
    similar = _called(calls.similar)
    similar_batch = _called(calls.similar_batch)
    rate = _called(calls.rate)
    rate_batch = _called(calls.rate_batch)
    explain = _called(calls.explain)
    explain_batch = _called(calls.explain_batch)
    details = _called(calls.details)
    status = _called(calls.status)
    describe = _called(calls.describe)
    resolve = _called(calls.resolve)

    def close(self) -> None:
        if self._transport is not None:
            self._loop.run(self._close())
        self._loop.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _target(server: str, signature: str, options: Options) -> Target:
    version, label = options["version"], options["label"]
    if version is not None and label is not None:
        raise ValueError(f'give a version or a label, not both: version {version} and label "{label}"')
    return Target(server, options["model"], version, label, signature)


def _deadline(timeout_s: float | None) -> float | None:
    if timeout_s is not None and not timeout_s > 0:
        raise ValueError(f"timeout_s must be above 0, or None for no limit; got {timeout_s}")
    return None if timeout_s is None else time.monotonic() + timeout_s


def _remaining(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _transport_class(address: addresses.Address) -> Callable[[addresses.Address, Tls | None], Transport]:
    """Imported only if it is used: neither needs the other's packages."""
    if address.protocol == "grpc":
        from serving.client.grpc_transport import GrpcTransport

        return GrpcTransport
    from serving.client.rest_transport import RestTransport

    return RestTransport
