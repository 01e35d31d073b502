"""Can a SavedModel be evaluated by the metrics of this version?"""

from __future__ import annotations

from tensorflow.core.protobuf import saved_model_pb2

import contract
from components.common import storage
from components.evaluator.metrics.user_scores import missing

_SAVED_MODEL = "saved_model.pb"


def has_model(path: str) -> bool:
    """Whether a folder holds a SavedModel."""
    return storage.exists(storage.join(path, _SAVED_MODEL))


def what_is_missing(path: str, implicit: bool) -> list[str]:
    """Outputs of `evaluate` that the metrics read and the SavedModel at `path` lacks.

    A model of ratings cannot read the timelines of a log without any (`implicit`), nor the reverse.
    Reads the signatures only; nothing is loaded.
    """
    model = saved_model_pb2.SavedModel()
    with storage.open_binary(storage.join(path, _SAVED_MODEL), "rb") as stream:
        model.ParseFromString(stream.read())
    outputs: set[str] = set()
    for graph in model.meta_graphs:
        if contract.EVALUATE in graph.signature_def:
            outputs |= set(graph.signature_def[contract.EVALUATE].outputs)
    return missing(outputs, implicit)
