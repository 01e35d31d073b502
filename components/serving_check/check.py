"""Models on a server of their own: loaded, asked, judged."""

from __future__ import annotations

import time
from collections.abc import Mapping

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

import contract
from components.serving_check import answers
from components.serving_check.server import SERVER_MODULE, Server, start
from components.serving_check.verdict import Verdict

_Version = get_model_status_pb2.ModelVersionStatus
_ARGUMENTS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # The server listens some seconds after its start; gRPC would look ever more rarely.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 100),
)
_POLL_SECONDS = 0.1
# A status that takes longer is asked for again: meanwhile the server may have ended.
_STATUS_SECONDS = 5.0
# The server does not listen yet, is busy loading, or has not looked for the model.
_NOT_YET = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.DEADLINE_EXCEEDED)


class _RefusedError(Exception):
    """This model must not be pushed; the text says why."""


class _ServerEndedError(Exception):
    """Nobody is left to ask."""


def check(model_dirs: Mapping[str, str], timeout_s: float, module: str = SERVER_MODULE) -> list[Verdict]:
    """Starts the model server on the models and has each answer its own warm-up requests over gRPC.

    Never raises for a bad model.

    Args:
      model_dirs: model -> folder of its SavedModel.
      timeout_s: seconds for all of it; then the server and what it started are killed.
      module: what to run as the server.
    """
    deadline = time.monotonic() + timeout_s
    too_late = f"no answer to all warm-up requests within {timeout_s:g} s; the server was killed"
    try:
        return _check(model_dirs, deadline, too_late, module)
    except _ServerEndedError:
        # One of several has taken the server down: each alone shows which.
        return [
            verdict
            for model, model_dir in model_dirs.items()
            for verdict in _check({model: model_dir}, deadline, too_late, module)
        ]


def _check(model_dirs: Mapping[str, str], deadline: float, too_late: str, module: str) -> list[Verdict]:
    """
    Raises:
      _ServerEndedError: with several models; that of a single one is its verdict.
    """
    started = time.monotonic()
    verdicts = []
    with start(model_dirs, module) as server, grpc.insecure_channel(server.address, _ARGUMENTS) as channel:
        for model, model_dir in model_dirs.items():
            reason = ""
            try:
                _await_available(channel, server, model, deadline)
                _ask(channel, server, model, model_dir, deadline)
            except TimeoutError:
                reason = too_late
            except _RefusedError as refused:
                reason = str(refused)
            except _ServerEndedError:
                if len(model_dirs) > 1:
                    raise
                reason = server.cause
            seconds = time.monotonic() - started
            verdicts.append(Verdict(model, not reason, seconds, reason, server.output))
    return verdicts


def _await_available(channel: grpc.Channel, server: Server, model: str, deadline: float) -> None:
    """Returns once the server answers for the model."""
    service = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=model_pb2.ModelSpec(name=model))
    while True:
        patience = min(_STATUS_SECONDS, _remaining(deadline))
        try:
            found = service.GetModelStatus(request, timeout=patience).model_version_status
        except grpc.RpcError as error:
            if error.code() not in _NOT_YET:
                raise _RefusedError(f"its status is not known: {error.details()}") from error
            found = []
        for version in found:
            if version.state == _Version.AVAILABLE:
                return
            if version.state == _Version.END:
                message = version.status.error_message or "the server has unloaded it"
                raise _RefusedError(f"cannot be loaded: {message}")
        if server.ended:
            raise _ServerEndedError
        time.sleep(min(_POLL_SECONDS, _remaining(deadline)))


def _ask(channel: grpc.Channel, server: Server, model: str, model_dir: str, deadline: float) -> None:
    """Sends every warm-up request.

    Raises:
      _RefusedError: an answer is missing or breaks the contract.
    """
    service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    failures, asked = [], set()
    try:
        requests = list(answers.read_requests(model_dir))
    except (tf.errors.OpError, OSError) as error:
        raise _RefusedError(f"its warm-up requests cannot be read: {_line(str(error))}") from error
    for request in requests:
        name = request.model_spec.signature_name
        asked.add(name)
        wrong = answers.check_request(request)
        if not wrong:
            request.model_spec.name = model
            try:
                response = service.Predict(request, timeout=_remaining(deadline))
            except grpc.RpcError as error:
                _remaining(deadline)  # raises if that is why
                if _ends(server, error):
                    raise _ServerEndedError from error
                wrong = [f"{name}: {error.code().name}: {_line(error.details())}"]
            else:
                wrong = answers.check_response(request, response)
        failures += wrong
    failures += [
        f"{name}: no warm-up request asks this signature" for name in contract.SIGNATURES if name not in asked
    ]
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise _RefusedError(failures[0] + more)


def _ends(server: Server, error: grpc.RpcError) -> bool:
    """Whether a request was lost because the process is gone."""
    if error.code() is not grpc.StatusCode.UNAVAILABLE:
        return False
    # The connection breaks a moment before the process is dead.
    time.sleep(_POLL_SECONDS)
    return server.ended


def _remaining(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
