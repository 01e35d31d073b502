"""Signatures of the contract as a SavedModel states them, without a model."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

import contract
from serving.model_server.execution.runtime import Signature, TensorInfo


def of_the_contract(name: str, default_k: int = 0) -> Signature:
    """A signature whose optional inputs have their neutral values, and k `default_k`, as defaults."""
    ours = contract.SIGNATURES[name]

    def infos(items: tuple[contract.Output, ...]) -> dict[str, TensorInfo]:
        return {
            item.name: TensorInfo(f"{item.name}:0", tf.as_dtype(item.dtype).as_datatype_enum, None)
            for item in items
        }

    proto = meta_graph_pb2.SignatureDef()
    for item in ours.inputs:
        if not item.required:
            default = default_k if item.name == contract.K else item.neutral
            value = tf.make_tensor_proto(np.full(item.shape(1), default), tf.as_dtype(item.dtype))
            proto.defaults[item.name].CopyFrom(value)
    return Signature(ours.name, "", infos(ours.inputs), infos(ours.outputs), proto)
