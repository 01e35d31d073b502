"""Calls to the model server: a deadline, a breaker, one kind of failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from circuitbreaker import CircuitBreaker
from opentelemetry import propagate, trace

from serving.app.edge import metrics
from serving.app.edge.traces import TRACER
from serving.client import AsyncClient, Code, ServingError
from serving.client.calls import Options

T = TypeVar("T")

# Failures in a row that open the breaker, and seconds until it lets a request through again. Below the
# five seconds in which answers of the model are to be back.
_FAILURES = 5
_OPEN_S = 1.0
# What the server says when it is slow, full, gone or broken; anything else is about the request.
_REASONS = {
    Code.UNAVAILABLE: "the model server cannot be reached",
    Code.DEADLINE_EXCEEDED: "the model server did not answer in time",
    Code.RESOURCE_EXHAUSTED: "the model server is full",
    Code.INTERNAL: "the model server failed",
    Code.CANCELLED: "the model server stopped",
    Code.ABORTED: "the model server stopped",
    Code.UNKNOWN: "the model server failed",
}


class ModelGoneError(Exception):
    """The model does not answer at present; the text is for the answer's `reason`."""


class VersionGoneError(Exception):
    """The version that was asked is no longer served."""


class _FailureError(Exception):
    """A failure that counts for the breaker."""


class Calls:
    """The model server behind a breaker.

    Args:
      client: has the deadline of every call.
    """

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self._breaker = CircuitBreaker(
            _FAILURES, _OPEN_S, expected_exception=_FailureError, name="model server"
        )

    @property
    def open(self) -> bool:
        """Whether requests are turned away without asking."""
        return bool(self._breaker.opened)

    def options(self, version: int, timeout_s: float) -> Options:
        """What every call of one answer takes: its version, what is left of its time, its id and trace.

        Raises:
          ModelGoneError: no time is left.
        """
        if timeout_s <= 0:
            raise ModelGoneError(_REASONS[Code.DEADLINE_EXCEEDED])
        metadata: dict[str, str] = {}
        propagate.inject(metadata)
        options: Options = {"version": version, "timeout_s": timeout_s, "metadata": metadata}
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        if request_id:
            options["request_id"] = request_id
        return options

    async def run(self, name: str, ask: Callable[[AsyncClient], Awaitable[T]]) -> T:
        """What `ask` answers.

        Args:
          name: of the signature, for metrics and traces.

        Raises:
          ModelGoneError: slow, full, gone, or the breaker is open.
          VersionGoneError: the version is no longer served.
          ServingError: the request itself was refused.
        """
        metrics.BREAKER_OPEN.set(self.open)
        if self.open:
            raise ModelGoneError("the model server failed several times; it is asked again within a second")
        try:
            with (
                self._breaker,
                TRACER.start_as_current_span(f"model {name}", kind=trace.SpanKind.CLIENT),
                metrics.MODEL_SECONDS.labels(name).time(),
            ):
                return await self._ask(ask)
        except _FailureError as failed:
            metrics.MODEL_FAILURES.labels(str(failed)).inc()
            raise ModelGoneError(str(failed)) from failed.__cause__

    async def _ask(self, ask: Callable[[AsyncClient], Awaitable[T]]) -> T:
        try:
            return await ask(self.client)
        except ServingError as error:
            # Any other error says that the server answers, which closes the breaker.
            if error.code in _REASONS:
                raise _FailureError(_REASONS[error.code]) from error
            if error.code is Code.NOT_FOUND:
                raise VersionGoneError from error
            raise
