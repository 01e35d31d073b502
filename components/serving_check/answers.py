"""A model's own warm-up requests, and what in the answers breaks the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

import contract
from components.common import storage

# `evaluate` marks places past the end by NaN; no other signature may hold one.
_NAN_ALLOWED = {
    *(contract.TARGET_RATINGS, contract.TARGET_WEIGHTS),
    contract.PREDICTED_RATINGS,
    contract.ITEM_NOVELTY,
    contract.TARGET_COLD,
}


def read_requests(model_dir: str) -> Iterator[predict_pb2.PredictRequest]:
    """The warm-up requests of a model, in the order they were written.

    Raises:
      tf.errors.OpError: there are none, or they cannot be read.
    """
    path = storage.join(model_dir, contract.ASSETS_EXTRA, contract.WARMUP_REQUESTS)
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        yield prediction_log_pb2.PredictionLog.FromString(record).predict_log.request


def check_request(request: predict_pb2.PredictRequest) -> list[str]:
    """What in a request breaks the contract; empty if nothing does."""
    name = request.model_spec.signature_name
    signature = contract.SIGNATURES.get(name)
    if signature is None:
        return [f"{name}: a warm-up request asks a signature that is not in the contract"]
    variants = (contract.signatures(implicit)[name] for implicit in (False, True))
    wrong = min(
        (sorted(set(request.inputs) ^ {item.name for item in each.inputs}) for each in variants), key=len
    )
    return [f"{name}: inputs missing or not in the contract: {wrong}"] if wrong else []


def check_response(request: predict_pb2.PredictRequest, response: predict_pb2.PredictResponse) -> list[str]:
    """What in the answer to a request of the contract breaks it; empty if nothing does."""
    # `evaluate` takes the same of both, and answers what the timelines hold.
    implicit = not response.outputs.keys().isdisjoint(contract.WEIGHTS_OF.values())
    signature = contract.signatures(implicit)[request.model_spec.signature_name]
    batch = request.inputs[signature.inputs[0].name].tensor_shape.dim[0].size
    outputs = {name: tf.make_ndarray(value) for name, value in response.outputs.items()}
    return _check_outputs(signature, outputs, batch)


def _check_outputs(signature: contract.Signature, outputs: Mapping[str, np.ndarray], batch: int) -> list[str]:
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
        elif value.ndim < len(item.shape(batch)) or len(value) != batch:
            failures.append(f"{where} has the shape {list(value.shape)} for {batch} rows")
        elif dtype.is_floating and not _finite(value, nan_allowed=name in _NAN_ALLOWED):
            failures.append(f"{where} holds values that are not finite")
    return failures


def _finite(values: np.ndarray, nan_allowed: bool) -> bool:
    return not np.isinf(values).any() if nan_allowed else bool(np.isfinite(values).all())
