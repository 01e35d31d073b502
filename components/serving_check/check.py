"""Models on a server of their own: loaded, asked, judged."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

import contract
from components.serving_check import answers, queries
from components.serving_check.latency import NoAnswerError, measure
from components.serving_check.latency_gate import Latency, judge
from components.serving_check.params import ServingCheckParams
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


# What the last pushed model is called on the server.
_LAST_PUSHED = "last-pushed"


@dataclasses.dataclass(frozen=True)
class Trial:
    """Queries to time contract.MODEL by, once all models have answered their warm-up requests.

    Attributes:
      timelines: with the test split that the queries are from.
      params: how many, how fast, and what refuses.
      pushed_dir: folder of the last pushed model, "" if there is none to compare with.
      pushed_version: its number.
      no_comparison: why there is none, "" if there is.
    """

    timelines: str
    params: ServingCheckParams
    pushed_dir: str = ""
    pushed_version: str = ""
    no_comparison: str = "no pushed model to compare with"


def check(
    model_dirs: Mapping[str, str], timeout_s: float, module: str = SERVER_MODULE, trial: Trial | None = None
) -> list[Verdict]:
    """Starts the model server on the models and has each answer its own warm-up requests over gRPC.

    Never raises for a bad model.

    Args:
      model_dirs: model -> folder of its SavedModel.
      timeout_s: seconds for all of it; then the server and what it started are killed.
      module: what to run as the server.
      trial: also measures latency, None: does not.
    """
    deadline = time.monotonic() + timeout_s
    too_late = f"no answer to all warm-up requests within {timeout_s:g} s; the server was killed"
    try:
        return _check(model_dirs, deadline, too_late, module, trial)
    except _ServerEndedError:
        # One of several has taken the server down: each alone shows which.
        alone = trial and dataclasses.replace(
            trial, pushed_dir="", no_comparison="a server of all models together has ended"
        )
        return [
            verdict
            for model, model_dir in model_dirs.items()
            for verdict in _check({model: model_dir}, deadline, too_late, module, alone)
        ]


def _check(
    model_dirs: Mapping[str, str], deadline: float, too_late: str, module: str, trial: Trial | None
) -> list[Verdict]:
    """
    Raises:
      _ServerEndedError: with several models; that of a single one is its verdict.
    """
    started = time.monotonic()
    verdicts = []
    beside = {_LAST_PUSHED: trial.pushed_dir} if trial and trial.pushed_dir else {}
    served = {**model_dirs, **beside}
    with (
        start(served, module, dict.fromkeys(beside, contract.RECOMMEND)) as server,
        grpc.insecure_channel(server.address, _ARGUMENTS) as channel,
    ):
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
                if len(served) > 1:
                    raise
                reason = server.cause
            seconds = time.monotonic() - started
            verdicts.append(Verdict(model, not reason, seconds, reason, server.output))
        if trial and contract.MODEL in model_dirs and all(verdict.ok for verdict in verdicts):
            verdicts = [
                _timed(channel, server, verdict, model_dirs[contract.MODEL], trial, deadline)
                if verdict.model == contract.MODEL
                else verdict
                for verdict in verdicts
            ]
    return verdicts


def _timed(
    channel: grpc.Channel,
    server: Server,
    verdict: Verdict,
    model_dir: str,
    trial: Trial,
    deadline: float,
) -> Verdict:
    """The verdict on a model that is well, with its latency.

    Raises:
      _ServerEndedError: beside the last pushed model; alone that is the model's verdict.
    """
    try:
        latency = _latency(channel, server, model_dir, trial, deadline)
    except TimeoutError:
        reason = "no time was left to measure latency: serving_check.timeout_s is too short for this model"
        return dataclasses.replace(verdict, ok=False, reason=reason)
    except NoAnswerError as error:
        _rethrow_if_ended(server, error, beside=bool(trial.pushed_dir))
        return dataclasses.replace(
            verdict, ok=False, reason=f"{contract.RECOMMEND}, with a history of the test split: {error}"
        )
    gates = tuple(judge(latency, trial.params))
    slow = [f"{gate.name}: {gate.why}" for gate in gates if not gate.ok]
    return dataclasses.replace(verdict, ok=not slow, reason="; ".join(slow), latency=latency, gates=gates)


def _latency(channel: grpc.Channel, server: Server, model_dir: str, trial: Trial, deadline: float) -> Latency:
    """
    Raises:
      NoAnswerError: the candidate has not answered.
      TimeoutError: nor in time.
      _ServerEndedError: beside the last pushed model.
    """
    params = trial.params
    limits = [queries.longest_history(each) for each in (model_dir, trial.pushed_dir) if each]
    longest = min((limit for limit in limits if limit is not None), default=None)
    asked = queries.of_test_split(trial.timelines, params.latency_queries, longest)

    def timed(*models: str) -> dict[str, list[NDArray[np.float64]]]:
        return measure(channel, models, asked, params.latency_rate, lambda: _remaining(deadline))

    no_comparison = trial.no_comparison or _not_loaded(channel, server, trial.pushed_version, deadline)
    if not no_comparison:
        try:
            found = timed(contract.MODEL, _LAST_PUSHED)
            latency = _compared(found, trial)
            if not all(gate.ok for gate in judge(latency, params)):
                # Of a machine that others use, what would refuse may be noise: twice the blocks decide.
                again = timed(contract.MODEL, _LAST_PUSHED)
                latency = _compared({model: found[model] + again[model] for model in found}, trial)
        except NoAnswerError as error:
            if error.model != _LAST_PUSHED:
                raise
            _rethrow_if_ended(server, error, beside=True)
            no_comparison = f"version {trial.pushed_version} does not answer: {error}"
        else:
            return latency
    found = timed(contract.MODEL)
    return Latency.of_blocks(params.latency_rate, found[contract.MODEL], no_comparison=no_comparison)


def _compared(found: Mapping[str, list[NDArray[np.float64]]], trial: Trial) -> Latency:
    return Latency.of_blocks(
        trial.params.latency_rate, found[contract.MODEL], found[_LAST_PUSHED], trial.pushed_version
    )


def _not_loaded(channel: grpc.Channel, server: Server, version: str, deadline: float) -> str:
    """Why the last pushed model cannot be asked, "" if it can."""
    try:
        # Half of the time, so that the candidate is not refused for what another model takes.
        _await_available(channel, server, _LAST_PUSHED, time.monotonic() + _remaining(deadline) / 2)
    except _RefusedError as error:
        return f"version {version} {error}"
    except TimeoutError:
        return f"version {version} did not load in time"
    return ""


def _rethrow_if_ended(server: Server, error: NoAnswerError, beside: bool) -> None:
    if beside and _ends(server, error.error):
        raise _ServerEndedError from error


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
