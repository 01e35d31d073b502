"""A SavedModel with every signature of the contract and no substance, to be spoilt in one place.

What a signature answers is of the right name, type and number of rows, which is
all that the serving check can know to be right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

import contract
from components.common.tensors import function_of, neutral

Outputs = dict[str, tf.Tensor]


def answer(signature: contract.Signature, inputs: Mapping[str, tf.Tensor]) -> Outputs:
    batch = tf.shape(inputs[signature.inputs[0].name])[0]
    return {
        item.name: tf.zeros(item.shape(batch, 3), tf.dtypes.as_dtype(item.dtype))
        for item in signature.outputs
    }


def save(
    folder: Path,
    spoil: Callable[[str, Outputs], Outputs] = lambda name, outputs: outputs,
    without: str = "",
    unasked: str = "",
) -> str:
    """Saves the stub.

    Args:
      folder: where.
      spoil: (signature's name, its outputs) -> what to answer instead.
      without: a signature to leave out.
      unasked: a signature that no warm-up request asks.
    """
    module = tf.Module()
    functions = {}
    for name, signature in contract.SIGNATURES.items():
        defaults = {item.name: neutral(item, 1) for item in signature.inputs if not item.required}

        def call(inputs: Mapping[str, tf.Tensor], signature: contract.Signature = signature) -> Outputs:
            return spoil(signature.name, answer(signature, inputs))

        if name != without:
            functions[name] = function_of(signature.inputs, call, defaults)
    tf.saved_model.save(module, str(folder), signatures=functions)
    extra = folder / contract.ASSETS_EXTRA
    extra.mkdir()
    with tf.io.TFRecordWriter(str(extra / contract.WARMUP_REQUESTS)) as writer:
        for name, signature in contract.SIGNATURES.items():
            if name != unasked:
                writer.write(request(signature).SerializeToString())
    return str(folder)


def request(signature: contract.Signature) -> prediction_log_pb2.PredictionLog:
    request = predict_pb2.PredictRequest(
        model_spec=model_pb2.ModelSpec(name=contract.MODEL, signature_name=signature.name)
    )
    for item in signature.inputs:
        request.inputs[item.name].CopyFrom(
            tf.make_tensor_proto(item.neutral, dtype=item.dtype, shape=item.shape(2))
        )
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
