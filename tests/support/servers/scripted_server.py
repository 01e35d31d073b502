"""Servers of both protocols that answer as a test tells them, for what a good server never does."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent import futures
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.apis.model_service_pb2_grpc import (
    ModelServiceServicer,
    add_ModelServiceServicer_to_server,
)

from serving.protocol import error_body
from serving.protocol.errors import Code, StatusError

VERSION = 7


@dataclasses.dataclass
class Seen:
    """A request that arrived.

    Attributes:
      model, version, label, signature: whom it asked.
      inputs: rows by input, strings as text.
      headers: metadata or HTTP headers, names in lower case.
    """

    model: str
    version: int | None
    label: str
    signature: str
    inputs: dict[str, list[Any]]
    headers: Mapping[str, str]


@dataclasses.dataclass
class Script:
    """What is answered, request by request; the last step goes on for ever.

    Attributes:
      steps: an error, seconds to sleep before the answer, or outputs by name.
      seen: every request.
    """

    steps: list[StatusError | float | dict[str, Any]]
    seen: list[Seen] = dataclasses.field(default_factory=list)

    def answer(self, seen: Seen) -> dict[str, Any]:
        step = self.steps[min(len(self.seen), len(self.steps) - 1)]
        self.seen.append(seen)
        if isinstance(step, StatusError):
            raise step
        if isinstance(step, float):
            time.sleep(step)
            return {}
        return step


def unavailable(text: str = "the queue is full") -> StatusError:
    return StatusError(Code.UNAVAILABLE, text)


class _Grpc(prediction_service_pb2_grpc.PredictionServiceServicer, ModelServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    def Predict(self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext) -> Any:  # noqa: N802
        spec = request.model_spec
        seen = Seen(
            spec.name,
            spec.version.value if spec.HasField("version") else None,
            spec.version_label,
            spec.signature_name,
            {name: _text(tf.make_ndarray(proto).tolist()) for name, proto in request.inputs.items()},
            dict(context.invocation_metadata()),
        )
        try:
            outputs = self._script.answer(seen)
        except StatusError as error:
            context.abort(next(c for c in grpc.StatusCode if c.value[0] == error.code), error.message)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = VERSION
        for name, value in outputs.items():
            array = np.asarray(value, np.float32) if not isinstance(_first(value), str) else value
            response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return response

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        response = get_model_status_pb2.GetModelStatusResponse()
        status = response.model_version_status.add(version=VERSION, state="AVAILABLE")
        status.status.error_code = 0
        return response


@contextlib.contextmanager
def grpc_server(
    script: Script, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> Iterator[str]:
    """Yields the address to dial."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    service = _Grpc(script)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    add_ModelServiceServicer_to_server(service, server)
    if credentials:
        port = server.add_secure_port(address, credentials)
    else:
        port = server.add_insecure_port(address)
    server.start()
    try:
        yield address if address.startswith("unix:") else f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def rest_server(script: Script, port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yields the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None: ...

        def do_GET(self) -> None:
            status = {"error_code": "OK", "error_message": ""}
            version = {"version": str(VERSION), "state": "AVAILABLE", "status": status}
            self._send(200, {"model_version_status": [version]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            parts = self.path.removesuffix(":predict").split("/")
            which = dict(zip(parts[4::2], parts[5::2], strict=True))
            seen = Seen(
                parts[3],
                int(which["versions"]) if "versions" in which else None,
                which.get("labels", ""),
                body["signature_name"],
                body["inputs"],
                {name.lower(): value for name, value in self.headers.items()},
            )
            try:
                outputs = script.answer(seen)
            except StatusError as error:
                self._send(error.http_status, error_body.write(error))
                return
            # A single output comes without its name.
            self._send(200, {"outputs": next(iter(outputs.values())) if len(outputs) == 1 else outputs})

        def _send(self, status: int, document: Any) -> None:
            content = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def _first(value: Any) -> Any:
    while isinstance(value, list):
        value = value[0]
    return value
