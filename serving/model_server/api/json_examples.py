"""REST bodies of classify and regress to tf.Examples, and their answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.core.example import example_pb2, feature_pb2
from tensorflow_serving.apis import classification_pb2, input_pb2, regression_pb2

from serving.model_server.api import json_rules, json_text
from serving.protocol.errors import invalid_argument

_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def read_examples(body: bytes) -> tuple[str, input_pb2.Input]:
    """Parses {"signature_name": ..., "context": {...}, "examples": [{...}]}.

    Returns:
      Signature name ("" is the default) and the examples.

    Raises:
      StatusError: INVALID_ARGUMENT with TensorFlow Serving's text.
    """
    document = json_text.parse(body)
    name = json_rules.signature_name(document)
    request = input_pb2.Input()
    if "context" in document:
        shared = request.example_list_with_context
        shared.context.CopyFrom(_example(document["context"]))
    if "examples" not in document:
        raise json_text.format_error(
            document, "When method is classify, key 'examples' is expected and was not found"
        )
    examples = document["examples"]
    if type(examples) is not list:
        raise json_text.format_error(document, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise json_text.format_error(document, "'examples' value is an empty array")
    into = (request.example_list_with_context if "context" in document else request.example_list).examples
    into.extend(_example(value) for value in examples)
    return name, request


def write_classifications(result: classification_pb2.ClassificationResult) -> bytes:
    """{"results": [[["label", score], ...], ...]}."""
    if not result.classifications:
        raise invalid_argument("Cannot convert empty ClassificationResults to JSON")
    writer = json_text.Writer()
    rows = [
        [[c.label, writer.number(np.float32(c.score))] for c in r.classes] for r in result.classifications
    ]
    return writer.dump({"results": rows})


def write_regressions(result: regression_pb2.RegressionResult) -> bytes:
    """{"results": [value, ...]}."""
    if not result.regressions:
        raise invalid_argument("Cannot convert empty RegressionResults to JSON")
    writer = json_text.Writer()
    return writer.dump({"results": [writer.number(np.float32(row.value)) for row in result.regressions]})


def _example(value: Any) -> example_pb2.Example:
    if type(value) is not dict:
        raise invalid_argument(f"Example must be JSON object but got JSON {json_text.type_name(value)}")
    example = example_pb2.Example()
    for name, content in value.items():
        if not _is_utf8(name):
            raise invalid_argument(f"Feature name {name!r} is not UTF-8")
        feature = example.features.feature[name]
        for item in content if type(content) is list else [content]:
            _append(item, name, feature)
    return example


def _append(value: Any, name: str, feature: feature_pb2.Feature) -> None:
    if type(value) is bool:
        _list(feature, name, "int64_list").append(int(value))
    elif type(value) is str:
        _list(feature, name, "bytes_list").append(value.encode("utf-8", "surrogateescape"))
    elif type(value) is float:
        _list(feature, name, "float_list").append(value)
    elif type(value) is int:
        values = _list(feature, name, "int64_list")
        if value >= 2**63:
            raise invalid_argument(f"Feature: {name} has uint64 element. Only int64_t is supported.")
        values.append(value)
    elif json_rules.is_base64(value):
        _list(feature, name, "bytes_list").append(json_rules.decode_base64(value))
    else:
        raise invalid_argument(
            f"Feature: {name} has element with unexpected JSON type: {json_text.type_name(value)}"
        )


def _list(feature: feature_pb2.Feature, name: str, kind: str) -> Any:
    """The values of a feature, which are all of one kind."""
    has = feature.WhichOneof("kind")
    if has not in (None, kind):
        raise invalid_argument(f"Unexpected element type in feature: {name} expecting type: {_KINDS[has]}")
    return getattr(feature, kind).value


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)
