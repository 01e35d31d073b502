"""Around every request: its id, limits, headers, log line, metrics and span."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Iterable

import structlog
from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.app.api import problems
from serving.app.edge import headers as edge_headers
from serving.app.edge import limits, metrics
from serving.app.edge.traces import TRACER
from serving.app.errors import AppError, TooLargeError
from serving.app.settings import Settings

_log = structlog.get_logger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Time that a client has for its body.
_BODY_S = 30.0
# Headers as ASGI has them.
_EACH = tuple(
    (name.lower().encode(), value.encode())
    for name, value in (*edge_headers.HEADERS.items(), edge_headers.NOT_STORED)
)
_REQUEST_ID_NAME = edge_headers.REQUEST_ID.lower().encode()
# Probes are of the cluster, not of a client.
_UNLIMITED = ("/health/",)
_FILES = "/static/"


class Edge:
    """The outermost layer. It also turns what nobody expected into a problem of status 500."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._trusted = frozenset(settings.trusted_proxies)
        self._addresses = limits.RateLimit(settings.address_limit, "address")
        # Apart: a page, or the one that says that an address asks too much, would come without its style.
        self._files = limits.RateLimit(settings.address_limit, "address")
        self._max_body = settings.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        started = time.perf_counter()
        status = 500
        answering = False

        async def sending(message: Message) -> None:
            nonlocal status, answering
            if message["type"] == "http.response.start":
                status, answering = message["status"], True
                message["headers"] = _with_headers(message.get("headers", ()), request_id)
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        context = _context(headers)
        with TRACER.start_as_current_span(
            scope["method"], context, kind=trace.SpanKind.SERVER, record_exception=False
        ) as span:
            try:
                refusal = self._refused(scope, headers)
                body = None if refusal else await self._read(receive)
                if refusal is None and body is None:
                    refusal = TooLargeError(f"the body is larger than {self._max_body} bytes")
                if refusal is not None:
                    await problems.of(refusal)(scope, receive, sending)
                else:
                    await self._app(scope, _replayed(body, receive), sending)
            except TimeoutError as error:
                # Only of the body: what is slower inside has errors of its own.
                if answering:
                    raise
                _log.info("body_timeout", seconds=_BODY_S, error=str(error))
                late = problems.response(408, "Request timeout", f"no whole body within {_BODY_S:g} seconds")
                await late(scope, receive, sending)
            except ClientDisconnect:
                status = 499
            except asyncio.CancelledError:
                status = 499
                raise
            except Exception:  # noqa: BLE001 (a bug in one request must not end the process)
                _log.exception("unexpected_error", route=_route(scope))
                if not answering:
                    await _failed()(scope, receive, sending)
            finally:
                self._observe(scope, status, time.perf_counter() - started, span)

    def _refused(self, scope: Scope, headers: Headers) -> AppError | None:
        if scope["path"].startswith(_UNLIMITED):
            return None
        peer = scope["client"][0] if scope.get("client") else ""
        try:
            counted = self._files if scope["path"].startswith(_FILES) else self._addresses
            counted.count(limits.address(peer, headers.getlist("x-forwarded-for"), self._trusted))
            length = headers.get("content-length", "0")
            if length.isdigit() and int(length) > self._max_body:
                raise TooLargeError(f"the body has {length} bytes, at most {self._max_body} are taken")
        except AppError as error:
            return error
        return None

    async def _read(self, receive: Receive) -> list[Message] | None:
        """The whole body, as it came; None if it is too large."""
        messages: list[Message] = []
        size = 0
        async with asyncio.timeout(_BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                messages.append(message)
                size += len(message.get("body", b""))
                if size > self._max_body:
                    return None
                if not message.get("more_body", False):
                    return messages

    @staticmethod
    def _observe(scope: Scope, status: int, seconds: float, span: trace.Span) -> None:
        route = _route(scope)
        metrics.REQUESTS.labels(scope["method"] if status != 405 else "other", route, str(status)).inc()
        metrics.REQUEST_SECONDS.labels(route).observe(seconds)
        span.update_name(f"{scope['method']} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": status})
        level = "info" if status < 500 else "error"
        getattr(_log, level)(
            "request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 2)
        )


def _route(scope: Scope) -> str:
    """The route's pattern: a path may hold a person's id."""
    if scope["path"].startswith(_FILES):
        return _FILES  # mounted, not a route; the names change with their content
    return getattr(scope.get("route"), "path", None) or "unmatched"


def _replayed(messages: list[Message] | None, receive: Receive) -> Receive:
    waiting = list(messages or ())

    async def next_message() -> Message:
        return waiting.pop(0) if waiting else await receive()

    return next_message


def _context(headers: Headers) -> contexts.Context:
    """What came with the request of a trace; of most requests nothing does."""
    if propagate.get_global_textmap().fields.isdisjoint(headers.keys()):
        return contexts.Context()
    return propagate.extract(dict(headers))


def _with_headers(given: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """An answer's headers and what each answer has, where it does not say otherwise itself."""
    found = [pair for pair in given if pair[0].lower() != _REQUEST_ID_NAME]
    names = {name.lower() for name, _ in found}
    found += [pair for pair in _EACH if pair[0] not in names]
    found.append((_REQUEST_ID_NAME, request_id.encode()))
    return found


def _failed() -> Response:
    return problems.response(500, "Internal error", "an error of the server; its log has it by X-Request-Id")
