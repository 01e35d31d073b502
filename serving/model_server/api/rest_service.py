"""TensorFlow Serving's REST API over the data plane."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np
from aiohttp import ClientConnectionError, web
from aiohttp.http_exceptions import HttpProcessingError

from serving.model_server.api import json_examples, json_tensors, json_text, model_info, openapi
from serving.model_server.execution import clients, large_requests
from serving.model_server.execution.large_requests import ByteBudget, Hold
from serving.model_server.execution.requests import ModelSpec
from serving.model_server.listening import packed_bodies
from serving.model_server.observe.access_log import Access, AccessLog, request_id
from serving.model_server.versions import carried_files
from serving.protocol import error_body
from serving.protocol.errors import Code, StatusError, invalid_argument

if TYPE_CHECKING:
    from serving.model_server.execution.predict import DataPlane
    from serving.model_server.execution.runtime import Signature
    from serving.model_server.observe.metrics import Metrics
    from serving.model_server.process.options import ServerOptions
    from serving.model_server.versions.servables import Manager

_log = logging.getLogger(__name__)
# aiohttp logs a traceback for whatever a client's bytes break; every handler's own are logged here.
_connections = logging.getLogger(f"{__name__}.connections")
_connections.setLevel(logging.CRITICAL)

OPENAPI_PATH = "/openapi.json"
# For a liveness probe: does the process still answer what it takes?
LIVE_PATH = "/livez"
# A page of metrics is printed at most this often. Seconds.
_PAGE_SECONDS = 1.0
# Time that a client has for its headers, and then for its body.
HEADER_SECONDS = 60.0
BODY_SECONDS = 60.0

_POST = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:(classify|regress|predict)",
    re.IGNORECASE | re.ASCII,
)
_GET = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?(?:/(metadata))?",
    re.IGNORECASE | re.ASCII,
)
_ORIGIN = re.compile(r"https?://", re.IGNORECASE)
_FILE = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?/files/([^/?]+)", re.IGNORECASE | re.ASCII
)
_JSON = "application/json"
_METHODS = {"predict": "Predict", "classify": "Classify", "regress": "Regress"}
# Bytes of a packed body that are unpacked in the event loop: a tenth of a millisecond.
_UNPACKED_AT_ONCE = 1 << 16
# Before a body of so many bytes is decoded, which takes a millisecond, the loop looks who is still there.
_LOOKED_AFTER = 1 << 14
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


def create_app(
    data_plane: DataPlane,
    manager: Manager,
    metrics: Metrics,
    options: ServerOptions,
    budget: ByteBudget,
    access_log: AccessLog | None = None,
    body_seconds: float = BODY_SECONDS,
) -> web.Application:
    """The REST API.

    Args:
      data_plane: answers requests.
      manager: statuses, and the signatures that the description shows.
      metrics: what the metrics path prints.
      options: `metrics_path`, `rest_api_*`.
      budget: of the bytes of requests under way.
      access_log: None for none.
      body_seconds: time that a client has for its body.
    """
    api = _Api(data_plane, manager, metrics, options, budget, access_log, body_seconds)
    app = web.Application(client_max_size=options.rest_api_max_body_bytes)
    # Any path, also one that holds the end of a line (%0A): aiohttp's own 404 is not the API's.
    app.router.add_route("*", r"/{path:[\s\S]*}", api.handle)
    return app


def create_runner(
    app: web.Application, header_seconds: float = HEADER_SECONDS, grace_seconds: float = 60.0
) -> web.AppRunner:
    """Serves the application: idle and slow connections are closed, gone clients' requests cancelled.

    Args:
      header_seconds: time that a client has for its headers.
      grace_seconds: time that requests under way have when the runner ends.
    """
    return web.AppRunner(
        app,
        access_log=None,
        logger=_connections,
        shutdown_timeout=grace_seconds,
        keepalive_timeout=header_seconds,
        handler_cancellation=True,
        lingering_time=2.0,
        # In the event loop, and all of a body, too, that is refused.
        auto_decompress=False,
    )


class _HttpError(StatusError):
    """An answer outside TensorFlow Serving's table of statuses."""

    def __init__(self, status: int, code: Code, message: str) -> None:
        super().__init__(code, message)
        self._status = status

    @property
    def http_status(self) -> int:
        return self._status


class _Api:
    def __init__(
        self,
        data_plane: DataPlane,
        manager: Manager,
        metrics: Metrics,
        options: ServerOptions,
        budget: ByteBudget,
        access_log: AccessLog | None,
        body_seconds: float,
    ) -> None:
        self._data_plane = data_plane
        self._manager = manager
        self._metrics = metrics
        self._budget = budget
        self._access_log = access_log
        self._body_seconds = body_seconds
        self._metrics_path = options.metrics_path
        self._timeout = options.rest_api_timeout_in_ms / 1000
        self._max_body = options.rest_api_max_body_bytes
        self._cors = options.rest_api_enable_cors_support
        self._stalls_after = options.liveness_stall_seconds
        self._describes = options.enable_descriptions
        self._page: asyncio.Task[bytes] | None = None
        self._page_made = -_PAGE_SECONDS

    async def handle(self, request: web.Request) -> web.Response:
        """Any request."""
        access = Access(request_id(request.headers.get("X-Request-Id")), "REST", request.method)
        clients.CURRENT.set(clients.Client(lambda: request.remote or ""))
        code, status, kind = Code.OK, 200, _JSON
        try:
            kind, body = await self._answer(request, access)
        except StatusError as error:
            code, status, body = error.code, error.http_status, error_body.write(error)
        except asyncio.CancelledError:
            code = Code.CANCELLED
            raise
        except Exception as error:  # noqa: BLE001 (a bug in one request must not end the server)
            # As its repr: a path may hold the end of a line, and then what looks like another.
            _log.exception("%s %r (request %s)", request.method, request.raw_path, access.request_id)
            bug = StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}")
            code, status, body = bug.code, bug.http_status, error_body.write(bug)
        finally:
            if self._access_log is not None:
                access.peer = request.remote or ""
                self._access_log.write(access, code)
        headers = {"Content-Type": kind, "X-Request-Id": access.request_id, "Server": "marquee"}
        if self._cors:
            headers.update(_CORS)
        response = web.Response(body=body, status=status, headers=headers)
        if status in (408, 413, 429):
            response.force_close()  # the rest of the body is still on its way
        return response

    async def _answer(self, request: web.Request, access: Access) -> tuple[str, bytes]:
        """Content type and body."""
        target = request.raw_path
        if not target.startswith("/"):  # http://host/path, as proxies send it
            target = request.rel_url.raw_path_qs
        path = target.partition("?")[0]
        if path == self._metrics_path:
            return "text/plain", await self._metrics_page()
        if path == LIVE_PATH and request.method == "GET":
            return "text/plain", self._alive()
        if path == OPENAPI_PATH and request.method == "GET" and self._describes:
            return _JSON, json_text.Writer().dump(openapi.describe(self._manager))
        if not path.lower().startswith("/v1/"):
            raise _HttpError(
                404,
                Code.NOT_FOUND,
                f"Not found: {request.method} {target}. The API is below /v1/models, "
                f"its description at {OPENAPI_PATH}",
            )
        if request.method == "OPTIONS":
            if self._cors and not _ORIGIN.match(origin := request.headers.get("Origin", "")):
                raise invalid_argument(f'Origin: expected http://... or https://..., got "{origin[:100]}"')
            return _JSON, b""
        # TensorFlow Serving matches path and query together: neither API has a query.
        if request.method == "POST" and (match := _POST.fullmatch(target)):
            spec = _spec(*match.group(1, 2, 3))
            return _JSON, await self._infer(match[4].lower(), spec, request, access)
        if request.method == "GET" and (match := _GET.fullmatch(target)):
            return _JSON, self._inform(match, access)
        if request.method == "GET" and (match := _FILE.fullmatch(target)):
            spec = _spec(*match.group(1, 2, 3))
            access.method, access.model, access.version = "GetFile", spec.name, spec.version
            return "application/octet-stream", await carried_files.read(self._manager, spec, match[4])
        raise invalid_argument(f"Malformed request: {request.method} {target}")

    def _alive(self) -> bytes:
        seconds = self._data_plane.stalled_seconds()
        if self._stalls_after and seconds > self._stalls_after:
            raise StatusError(
                Code.UNAVAILABLE, f"requests have waited for {seconds:.0f} s, and none was answered meanwhile"
            )
        return b"ok\n"

    async def _metrics_page(self) -> bytes:
        """Printed in a thread: it grows with the models and workers, and whoever asks holds up nobody."""
        if self._page is None or (self._page.done() and time.monotonic() - self._page_made > _PAGE_SECONDS):
            self._page_made = time.monotonic()
            self._page = asyncio.ensure_future(asyncio.to_thread(self._metrics.render))
        # One that leaves must not take it away from the others.
        return await asyncio.shield(self._page)

    def _inform(self, match: re.Match[str], access: Access) -> bytes:
        name, version, label, resource = match.groups()
        if not name:
            raise invalid_argument("Missing model name in request.")
        spec = _spec(name, version, label)
        access.method = "GetModelMetadata" if resource else "GetModelStatus"
        access.model, access.version = spec.name, spec.version
        if resource:
            described = model_info.description(self._manager, spec)
            return model_info.metadata_json(model_info.metadata(self._manager, spec), described)
        return model_info.status_json(model_info.status(self._manager, spec))

    async def _infer(self, method: str, spec: ModelSpec, request: web.Request, access: Access) -> bytes:
        access.method = _METHODS[method]
        access.model, access.version = spec.name, spec.version
        hold = self._budget.request()
        try:
            body = await self._read(request, hold)
            return await self._run_in_time(method, spec, body, access)
        finally:
            hold.release()

    async def _run_in_time(self, method: str, spec: ModelSpec, body: bytes, access: Access) -> bytes:
        if not self._timeout:
            return await self._run(method, spec, body, None, access)
        deadline = time.monotonic() + self._timeout
        try:
            # What waits is dropped at the deadline; what runs cannot be stopped, and its answer is dropped.
            async with asyncio.timeout(self._timeout):
                return await self._run(method, spec, body, deadline, access)
        except TimeoutError:
            raise StatusError(
                Code.DEADLINE_EXCEEDED,
                f"no answer within the {self._timeout:g} seconds of --rest_api_timeout_in_ms",
            ) from None

    async def _run(
        self, method: str, spec: ModelSpec, body: bytes, deadline: float | None, access: Access
    ) -> bytes:
        if method == "predict":
            return await self._predict(spec, body, deadline, access)
        name, examples = await large_requests.in_thread(
            len(body) >= large_requests.REQUEST_BYTES, json_examples.read_examples, body
        )
        spec = ModelSpec(spec.name, spec.version, spec.label, name)
        if method == "classify":
            classified = await self._data_plane.classify(spec, examples, deadline, "REST")
            return json_examples.write_classifications(classified.result)
        regressed = await self._data_plane.regress(spec, examples, deadline, "REST")
        return json_examples.write_regressions(regressed.result)

    async def _predict(self, spec: ModelSpec, body: bytes, deadline: float | None, access: Access) -> bytes:
        large = len(body) >= large_requests.REQUEST_BYTES
        asked = await large_requests.in_thread(large, json_tensors.read_predict, body)
        access.signature = asked.signature_name

        async def large_inputs(signature: Signature) -> dict[str, np.ndarray]:
            return await large_requests.in_thread(True, inputs, signature)

        def inputs(signature: Signature) -> dict[str, np.ndarray]:
            tensors = asked.tensors(signature)
            shape = next(iter(tensors.values())).shape
            access.rows = shape[0] if shape else None
            return tensors

        spec = ModelSpec(spec.name, spec.version, spec.label, asked.signature_name)
        decoder = large_inputs if large else inputs
        found = await self._data_plane.predict(spec, decoder, (), deadline, "REST")
        access.version, access.signature = found.version, found.signature
        large = large_requests.is_large(found.outputs)
        return await large_requests.in_thread(
            large, json_tensors.write_outputs, found.outputs, asked.row_format
        )

    async def _read(self, request: web.Request, hold: Hold) -> bytes:
        if (request.content_length or 0) > self._max_body:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._body_seconds):
                body = bytearray()
                async for part in request.content.iter_any():
                    body += part
                    if len(body) > self._max_body:
                        raise self._too_large()
                    hold.add(len(part))
        except TimeoutError:
            raise _HttpError(
                408,
                Code.DEADLINE_EXCEEDED,
                f"the request's body was not there after {self._body_seconds:g} seconds",
            ) from None
        except (ClientConnectionError, web.RequestPayloadError, HttpProcessingError) as error:
            raise invalid_argument(f"the request's body cannot be read: {error}") from error
        if len(body) > _LOOKED_AFTER:
            await asyncio.sleep(0)  # a client that has left meanwhile is seen, and its body not decoded
        encoding = request.headers.get("Content-Encoding", "identity").lower()
        return bytes(body if encoding == "identity" else await self._unpacked(body, encoding, hold))

    async def _unpacked(self, body: bytearray, encoding: str, hold: Hold) -> bytearray:
        """Part by part and, where that takes long, beside the event loop: a few bytes may unpack to all."""
        if encoding not in packed_bodies.ENCODINGS:
            raise invalid_argument(
                f'Content-Encoding must be {" or ".join(packed_bodies.ENCODINGS)}, got "{encoding[:50]}"; '
                "or leave it out"
            )
        unpacker, unpacked = packed_bodies.Unpacker(bytes(body), encoding), bytearray()
        while not unpacker.ended:
            large = len(body) + len(unpacked) > _UNPACKED_AT_ONCE
            size = large_requests.REQUEST_BYTES if large else _UNPACKED_AT_ONCE
            try:
                part = await large_requests.in_thread(large, unpacker.part, size)
            except ValueError as error:
                raise invalid_argument(f"the request's body cannot be read: {error}") from error
            unpacked += part
            if len(unpacked) > self._max_body:
                raise self._too_large()
            hold.add(len(part))
        return unpacked

    def _too_large(self) -> _HttpError:
        return _HttpError(
            413,
            Code.RESOURCE_EXHAUSTED,
            f"the request's body is larger than {self._max_body} bytes, the limit set by "
            "--rest_api_max_body_bytes",
        )


def _spec(name: str, version: str | None, label: str | None) -> ModelSpec:
    number = None
    if version:
        number = int(version[:20])
        if len(version) > 20 or number >= 2**63:
            raise invalid_argument(f"Failed to convert version: {version[:100]} to numeric.")
    return ModelSpec(
        unquote(name, errors="surrogateescape"),
        number,
        unquote(label, errors="surrogateescape") if label else None,
    )
