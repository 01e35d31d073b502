"""How long real queries take: of a candidate and of the last pushed model on one server, in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import grpc
import numpy as np
from numpy.typing import NDArray
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from components.serving_check.latency_gate import BLOCKS

_SEED: Final = 17
_QUERY_SECONDS: Final = 30.0  # after which a query has failed
_LEAD_SECONDS: Final = 0.01  # between making a block and its first query


class NoAnswerError(Exception):
    """A query has failed; the text says how.

    Attributes:
      model: whose.
      error: gRPC's.
    """

    def __init__(self, model: str, error: grpc.RpcError) -> None:
        super().__init__(f"{error.code().name}: {' '.join((error.details() or '').split())}")
        self.model = model
        self.error = error


def measure(
    channel: grpc.Channel,
    models: Sequence[str],
    queries: Sequence[predict_pb2.PredictRequest],
    rate: float,
    remaining: Callable[[], float],
) -> dict[str, list[NDArray[np.float64]]]:
    """Asks each model all queries, a block of them at a time, the models in turn.

    Open loop: queries are due at the times of a Poisson process, whether or not earlier ones are
    answered, and a latency counts from the moment its query was due, so that a stall shows in all that
    should have come in it. All models get the same queries at the same distances. What disturbs the
    machine for a while meets all models, as their blocks lie beside each other; every other round has
    them in reverse order. The first block is asked once more than it counts: a model's first queries
    allocate what later ones reuse.

    Args:
      models: names on the server.
      rate: queries per second.
      remaining: seconds that are left, or it raises.

    Returns:
      model -> BLOCKS arrays, float64[queries of the block], milliseconds.

    Raises:
      NoAnswerError: a query has failed.
    """
    service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    rng = np.random.default_rng(_SEED)
    rounds = [
        ([queries[i] for i in block], np.cumsum(rng.exponential(1 / rate, block.size)))
        for block in np.array_split(np.arange(len(queries)), BLOCKS)
    ]
    found: dict[str, list[NDArray[np.float64]]] = {model: [] for model in models}
    for model in models:
        _block(service, model, *rounds[0], remaining)
    for place, (asked, due) in enumerate(rounds):
        for model in models if place % 2 == 0 else reversed(models):
            found[model].append(_block(service, model, asked, due, remaining))
    return found


def _block(
    service: prediction_service_pb2_grpc.PredictionServiceStub,
    model: str,
    queries: Sequence[predict_pb2.PredictRequest],
    due: NDArray[np.float64],
    remaining: Callable[[], float],
) -> NDArray[np.float64]:
    """float64[queries], milliseconds; the next block begins with nothing under way."""
    requests = []
    for query in queries:
        request = predict_pb2.PredictRequest()
        request.CopyFrom(query)
        request.model_spec.name = model
        requests.append(request)
    ended = np.zeros(len(requests))
    answered = threading.Semaphore(0)

    def end(place: int) -> None:
        ended[place] = time.monotonic()
        answered.release()

    start = time.monotonic() + _LEAD_SECONDS
    calls = []
    for place, request in enumerate(requests):
        time.sleep(max(0.0, start + due[place] - time.monotonic()))
        call = service.Predict.future(request, timeout=min(_QUERY_SECONDS, remaining()))
        call.add_done_callback(lambda _, place=place: end(place))
        calls.append(call)
    for _ in calls:
        answered.acquire()
    for call in calls:
        error = call.exception()
        if error is not None:
            raise NoAnswerError(model, error)
    return 1000.0 * (ended - start - due)
