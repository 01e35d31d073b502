"""REST bodies read by a signature."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from serving.model_server.api import json_tensors
from serving.model_server.execution.runtime import Signature, TensorInfo
from serving.protocol.errors import Code, StatusError


def signature(**inputs: str) -> Signature:
    infos = {
        name: TensorInfo(f"{name}:0", tf.as_dtype(dtype).as_datatype_enum, None)
        for name, dtype in inputs.items()
    }
    return Signature("serving_default", "", infos, {}, meta_graph_pb2.SignatureDef())


def read(document: Any, **inputs: str) -> dict[str, np.ndarray]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return json_tensors.read_predict(body).tensors(signature(**inputs))


def refusal(document: Any, **inputs: str) -> str:
    with pytest.raises(StatusError) as refused:
        read(document, **inputs)
    assert refused.value.code is Code.INVALID_ARGUMENT
    return refused.value.message
