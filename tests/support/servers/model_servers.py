"""Servers of TensorFlow Serving's API under test: started, asked, stopped."""

from __future__ import annotations

import dataclasses
import functools
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from benchmarks.harness.ports import free_port
from serving.protocol import error_body

REPOSITORY = Path(__file__).parents[3]
_MAX_MESSAGE = 2**31 - 1
START_SECONDS = 120.0
# What starts our server.
OUR_COMMAND = (sys.executable, "-m", "serving.model_server", "--host=127.0.0.1", "--allow_config_reload")


@dataclasses.dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body; NaN and Infinity are read too."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The text of an error, whose body holds nothing else."""
        assert list(self.json) == error_body.SCHEMA["required"], self.body
        return str(error_body.read(self.json))


class Target:
    """A server, by its addresses.

    Attributes:
      grpc: host:port, or unix:path.
      rest: host:port; None if it is not known.
    """

    def __init__(self, grpc_address: str, rest: str | None) -> None:
        self.grpc = grpc_address
        self.rest = rest

    @functools.cached_property
    def channel(self) -> grpc.Channel:
        options = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.max_send_message_length", _MAX_MESSAGE),
        ]
        return grpc.insecure_channel(self.grpc, options=options)

    @functools.cached_property
    def predictions(self) -> prediction_service_pb2_grpc.PredictionServiceStub:
        return prediction_service_pb2_grpc.PredictionServiceStub(self.channel)

    @functools.cached_property
    def models(self) -> model_service_pb2_grpc.ModelServiceStub:
        return model_service_pb2_grpc.ModelServiceStub(self.channel)

    def http(
        self,
        method: str,
        path: str,
        body: bytes | str | dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own; an object is sent as JSON."""
        if isinstance(body, dict):
            body = json.dumps(body)
        assert self.rest is not None
        connection = http.client.HTTPConnection(self.rest, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def states(self, model: str) -> dict[int, str]:
        """State by version, over REST; empty if the model has none."""
        found = self.http("GET", f"/v1/models/{model}")
        if found.status == 404:
            return {}
        return {int(one["version"]): one["state"] for one in found.json["model_version_status"]}

    def available(self, model: str, version: int) -> bool:
        """Whether a version answers."""
        return self.states(model).get(version) == "AVAILABLE"

    def predict(
        self,
        model: str,
        inputs: dict[str, Any],
        signature: str = "",
        version: int | None = None,
        label: str | None = None,
        outputs: Sequence[str] = (),
        timeout: float = 60,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> predict_pb2.PredictResponse:
        """Predict over gRPC; inputs are messages or what tf.make_tensor_proto takes."""
        request = predict_request(model, inputs, signature, version, label, outputs)
        return self.predictions.Predict(request, timeout=timeout, metadata=metadata)


def predict_request(
    model: str,
    inputs: dict[str, Any],
    signature: str = "",
    version: int | None = None,
    label: str | None = None,
    outputs: Sequence[str] = (),
) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for name, value in inputs.items():
        proto = value if hasattr(value, "tensor_shape") else tf.make_tensor_proto(value)
        request.inputs[name].CopyFrom(proto)
    request.output_filter.extend(outputs)
    return request


def outputs_of(response: predict_pb2.PredictResponse) -> dict[str, np.ndarray]:
    return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}


def refusal(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    """Code and text of the error that a call ends with."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError(f"an error was expected, the answer is {answer}")


class Server(Target):
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, grpc_address: str, rest: str) -> None:
        super().__init__(grpc_address, rest)
        self.process = process
        self._log = log

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        """Ends it as Kubernetes does; returns its exit code."""
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
        if "channel" in self.__dict__:
            self.channel.close()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def start(
    command: Sequence[str],
    flags: Sequence[str],
    folder: Path,
    wait: bool = True,
    environment: dict[str, str] | None = None,
) -> Server:
    """Starts a server on free ports and waits until REST answers.

    Args:
      command: what starts it, without flags.
      flags: of TensorFlow Serving; the ports are added.
      folder: for its output.
      wait: False returns at once.
      environment: variables for it beside ours.
    """
    port, rest = free_port(), free_port()
    log = folder / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, f"--port={port}", f"--rest_api_port={rest}", *flags],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
            env={**os.environ, **(environment or {})},
        )
    server = Server(process, log, f"127.0.0.1:{port}", f"127.0.0.1:{rest}")
    if wait:
        try:
            _wait(server)
        except BaseException:
            process.kill()
            raise
    return server


def _wait(server: Server) -> None:
    def answers() -> bool:
        assert server.alive, f"the server ended:\n{server.output}"
        try:
            # REST opens last, when the models of the config are loaded.
            server.http("GET", "/v1/models/-")
        except OSError:
            return False
        return True

    wait_until(answers, START_SECONDS, lambda: server.output)


def wait_until(
    condition: Callable[[], bool], seconds: float = 60.0, explain: Callable[[], str] = lambda: ""
) -> None:
    """Returns once the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"still not so after {seconds} s. {explain()}"
        time.sleep(0.05)
