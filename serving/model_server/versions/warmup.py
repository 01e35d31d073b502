"""Replays a model's warm-up requests, so that its first client does not wait for its graphs to be made."""

from __future__ import annotations

from pathlib import PurePosixPath

from google.protobuf.message import DecodeError
from tensorflow.python.framework import errors_impl
from tensorflow.python.lib.io import file_io, tf_record
from tensorflow_serving.apis import (
    inference_pb2,
    predict_pb2,
    prediction_log_pb2,
)

import contract
from serving.model_server.execution import checks, examples
from serving.model_server.execution.runtime import Model
from serving.protocol import tensors
from serving.protocol.errors import Code, StatusError, invalid_argument

MAX_RECORDS = 1000


def replay_warmup(model: Model, path: str, iterations: int = 1) -> int:
    """Answers the requests in a version's assets.extra. Blocks.

    Args:
      model: loaded from there.
      path: the version's folder.
      iterations: times that each request is answered.

    Returns:
      How many records there were; 0 if the model has none.

    Raises:
      StatusError: a record that fails, more than MAX_RECORDS, or a file that is none.
    """
    file = str(PurePosixPath(path) / contract.ASSETS_EXTRA / contract.WARMUP_REQUESTS)
    if "://" in path:
        file = f"{path.rstrip('/')}/{contract.ASSETS_EXTRA}/{contract.WARMUP_REQUESTS}"
    if not file_io.file_exists_v2(file):
        return 0
    count = 0
    reader = tf_record.tf_record_random_reader(file)
    offset = 0
    while True:
        try:
            record, offset = reader.read(offset)
        except IndexError:
            return count
        except errors_impl.OpError as error:
            raise StatusError(
                Code.DATA_LOSS, f"{error.message}. Please verify your warmup data is in TFRecord format."
            ) from error
        count += 1
        if count > MAX_RECORDS:
            raise invalid_argument(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}")
        try:
            log = prediction_log_pb2.PredictionLog.FromString(record)
        except DecodeError:
            raise invalid_argument(f"Failed to parse warmup record {count} from {file}") from None
        for _ in range(iterations):
            try:
                _answer(model, log)
            except StatusError as error:
                raise StatusError(error.code, f"warmup record {count} of {file}: {error.message}") from error


def _answer(model: Model, log: prediction_log_pb2.PredictionLog) -> None:
    kind = log.WhichOneof("log_type")
    call = next((call for call in examples.CALLS.values() if call.log_field == kind), None)
    if kind == "predict_log":
        _predict(model, log.predict_log.request)
    elif call is not None:
        request = getattr(log, call.log_field).request
        plan = call.find(model, request.model_spec.signature_name, False)
        records = examples.serialized(request.input)
        outputs = model.run(plan.signature.key, {plan.input: records}, plan.outputs)
        call.fill(call.response().result, outputs, len(records))
    elif kind == "multi_inference_log":
        _multi_inference(model, log.multi_inference_log.request)
    elif kind is not None:
        raise StatusError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")


def _predict(model: Model, request: predict_pb2.PredictRequest) -> None:
    signature = checks.predict_signature(model, request.model_spec.signature_name, False)
    inputs = checks.predict_inputs(signature, tensors.decode_all(request.inputs))
    model.run(signature.key, inputs, checks.predict_outputs(signature, request.output_filter))


def _multi_inference(model: Model, request: inference_pb2.MultiInferenceRequest) -> None:
    records = examples.serialized(request.input)
    for plan in examples.multi_inference(model, request, False):
        model.run(plan.signature.key, {plan.input: records}, plan.outputs)
