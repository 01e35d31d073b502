"""Loads a model in this process and answers its own warm-up requests.

    python -m serving.warmup MODEL_DIR

prints a JSON summary and exits with 0 if every request was answered as the
contract says; otherwise it prints one line per failure and exits with 1. It
stands where a model server will: what passes here can be loaded and asked.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

# Registers ScaNN's operations; a model that holds them does not load without.
import scann  # noqa: F401
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from components import contract

# `evaluate` marks places past the end by NaN; no other signature may hold one.
_NAN_ALLOWED = {
    contract.TARGET_RATINGS,
    contract.PREDICTED_RATINGS,
    contract.MOVIE_NOVELTY,
    contract.TARGET_COLD,
}


@dataclasses.dataclass(frozen=True)
class Replayed:
    """One warm-up request and what came of it.

    Attributes:
      signature: which signature it asked.
      batch: rows in the request.
      seconds: time to answer.
      failures: what is wrong, empty if nothing is.
    """

    signature: str
    batch: int
    seconds: float
    failures: tuple[str, ...] = ()


def replay(model_dir: str) -> list[Replayed]:
    """Loads a SavedModel and answers the requests in its assets.extra.

    Raises:
      OSError: there is no SavedModel at `model_dir`.
      tf.errors.OpError: it cannot be loaded, or its warm-up requests cannot be read.
    """
    signatures = tf.saved_model.load(model_dir).signatures
    replayed = [_answer(signatures, request) for request in read_requests(model_dir)]
    asked = {result.signature for result in replayed}
    for name in contract.SIGNATURES:
        if name not in asked:
            replayed.append(Replayed(name, 0, 0.0, (f"{name}: no warm-up request asks this signature",)))
    return replayed


def read_requests(model_dir: str) -> Iterator[predict_pb2.PredictRequest]:
    """The warm-up requests of a model, in the order they were written."""
    path = f"{model_dir.rstrip('/')}/{contract.ASSETS_EXTRA}/{contract.WARMUP_REQUESTS}"
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        yield prediction_log_pb2.PredictionLog.FromString(record).predict_log.request


def check_outputs(signature: contract.Signature, outputs: Mapping[str, np.ndarray], batch: int) -> list[str]:
    """What in an answer to `batch` rows breaks the contract; empty if nothing does."""
    failures = []
    expected = {item.name: item for item in signature.outputs}
    if set(outputs) != set(expected):
        return [f"{signature.name}: expected the outputs {sorted(expected)}, got {sorted(outputs)}"]
    for name, item in expected.items():
        value = outputs[name]
        where = f"{signature.name}: {name}"
        dtype = tf.dtypes.as_dtype(item.dtype)
        if tf.dtypes.as_dtype(value.dtype) != dtype:
            failures.append(f"{where} is {value.dtype}, expected {item.dtype}")
        elif value.ndim < (1 if item.columns is None else 2) or len(value) != batch:
            failures.append(f"{where} has the shape {list(value.shape)} for {batch} rows")
        elif dtype.is_floating and not _finite(value, nan_allowed=name in _NAN_ALLOWED):
            failures.append(f"{where} holds values that are not finite")
    return failures


def _finite(values: np.ndarray, nan_allowed: bool) -> bool:
    return not np.isinf(values).any() if nan_allowed else bool(np.isfinite(values).all())


def _answer(signatures: Mapping[str, Any], request: predict_pb2.PredictRequest) -> Replayed:
    name = request.model_spec.signature_name
    inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
    batch = len(next(iter(inputs.values()))) if inputs else 0
    signature = contract.SIGNATURES.get(name)
    if signature is None or name not in signatures:
        return Replayed(name, batch, 0.0, (f"{name}: the model has no such signature",))
    dtypes = {item.name: item.dtype for item in signature.inputs}
    wrong = sorted(set(inputs) ^ set(dtypes))
    if wrong:
        return Replayed(name, batch, 0.0, (f"{name}: inputs missing or not in the contract: {wrong}",))
    started = time.perf_counter()
    try:
        tensors = {key: tf.constant(value, dtypes[key]) for key, value in inputs.items()}
        outputs = {key: value.numpy() for key, value in signatures[name](**tensors).items()}
    except (tf.errors.OpError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        return Replayed(name, batch, time.perf_counter() - started, (f"{name}: {reason}",))
    seconds = time.perf_counter() - started
    return Replayed(name, batch, seconds, tuple(check_outputs(signature, outputs, batch)))


def _peak_memory_mb() -> int:
    """Highest resident memory of this process so far, in MiB.

    Not from getrusage: a process inherits that figure from whoever started it.
    """
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) // 1024


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m serving.warmup", description="Load a model and answer its warm-up requests."
    )
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="folder of the SavedModel")
    model_dir = parser.parse_args(arguments).model_dir
    started = time.perf_counter()
    try:
        replayed = replay(model_dir)
    except (tf.errors.OpError, OSError, ValueError) as error:
        print(f"cannot load the model at {model_dir}: {' '.join(str(error).split())}")
        return 1
    failures = [failure for result in replayed for failure in result.failures]
    for failure in failures:
        print(failure)
    print(
        json.dumps(
            {
                "requests": len(replayed),
                "failures": len(failures),
                "seconds": round(time.perf_counter() - started, 3),
                "peak_memory_mb": _peak_memory_mb(),
                "slowest": max((dataclasses.asdict(r) for r in replayed), key=lambda r: r["seconds"]),
            }
        )
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
