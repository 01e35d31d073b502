"""TensorFlow Serving's messages without TensorFlow: what a client sends and reads, and no more.

The official stubs import all of TensorFlow: seconds, and 400 MB. The fields below are
those of tensorflow/core/framework/{tensor,tensor_shape}.proto and
tensorflow_serving/apis/{model,predict,get_model_status,get_model_metadata}.proto; a
field that is not listed is passed over, as any unknown field. They live in a pool of
their own, so that a process may import the official stubs beside them.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPES: Final = descriptor_pb2.FieldDescriptorProto
# Enums are int32 on the wire. "repeated X" and "map X" (by string) as in proto files.
_SCALARS: Final[dict[str, Any]] = {
    "double": _TYPES.TYPE_DOUBLE,
    "float": _TYPES.TYPE_FLOAT,
    "int64": _TYPES.TYPE_INT64,
    "uint64": _TYPES.TYPE_UINT64,
    "int32": _TYPES.TYPE_INT32,
    "uint32": _TYPES.TYPE_UINT32,
    "bool": _TYPES.TYPE_BOOL,
    "string": _TYPES.TYPE_STRING,
    "bytes": _TYPES.TYPE_BYTES,
}
_PACKAGE: Final = "tensorflow.serving"
# message -> field -> (type, number)
FIELDS: Final[dict[str, dict[str, tuple[str, int]]]] = {
    "Dim": {"size": ("int64", 1), "name": ("string", 2)},
    "TensorShapeProto": {"dim": ("repeated Dim", 2), "unknown_rank": ("bool", 3)},
    "TensorProto": {
        "dtype": ("int32", 1),
        "tensor_shape": ("TensorShapeProto", 2),
        "version_number": ("int32", 3),
        "tensor_content": ("bytes", 4),
        "half_val": ("repeated int32", 13),
        "float_val": ("repeated float", 5),
        "double_val": ("repeated double", 6),
        "int_val": ("repeated int32", 7),
        "string_val": ("repeated bytes", 8),
        "scomplex_val": ("repeated float", 9),
        "int64_val": ("repeated int64", 10),
        "bool_val": ("repeated bool", 11),
        "dcomplex_val": ("repeated double", 12),
        "uint32_val": ("repeated uint32", 16),
        "uint64_val": ("repeated uint64", 17),
    },
    "Int64Value": {"value": ("int64", 1)},
    "ModelSpec": {
        "name": ("string", 1),
        "version": ("Int64Value", 2),
        "version_label": ("string", 4),
        "signature_name": ("string", 3),
    },
    "PredictRequest": {
        "model_spec": ("ModelSpec", 1),
        "inputs": ("map TensorProto", 2),
        "output_filter": ("repeated string", 3),
    },
    "PredictResponse": {"outputs": ("map TensorProto", 1), "model_spec": ("ModelSpec", 2)},
    "StatusProto": {"error_code": ("int32", 1), "error_message": ("string", 2)},
    "ModelVersionStatus": {"version": ("int64", 1), "state": ("int32", 2), "status": ("StatusProto", 3)},
    "GetModelStatusRequest": {"model_spec": ("ModelSpec", 1)},
    "GetModelStatusResponse": {"model_version_status": ("repeated ModelVersionStatus", 1)},
    "GetModelMetadataRequest": {"model_spec": ("ModelSpec", 1), "metadata_field": ("repeated string", 2)},
    "Any": {"type_url": ("string", 1), "value": ("bytes", 2)},
    "GetModelMetadataResponse": {"model_spec": ("ModelSpec", 1), "metadata": ("map Any", 2)},
}


def _described() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="marquee_client.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (text, number) in fields.items():
            kind, _, inner = text.rpartition(" ")
            added = message.field.add(name=field, number=number)
            added.label = _TYPES.LABEL_REPEATED if kind else _TYPES.LABEL_OPTIONAL
            if kind == "map":
                entry = f"{field.capitalize()}Entry"
                nested = message.nested_type.add(name=entry)
                nested.options.map_entry = True
                _typed(nested.field.add(name="key", number=1, label=_TYPES.LABEL_OPTIONAL), "string")
                _typed(nested.field.add(name="value", number=2, label=_TYPES.LABEL_OPTIONAL), inner)
                inner = f"{name}.{entry}"
            _typed(added, inner)
    return file


def _typed(field: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _TYPES.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"


_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.Add(_described())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


TensorProto: Final = _class("TensorProto")
ModelSpec: Final = _class("ModelSpec")
PredictRequest: Final = _class("PredictRequest")
PredictResponse: Final = _class("PredictResponse")
GetModelStatusRequest: Final = _class("GetModelStatusRequest")
GetModelStatusResponse: Final = _class("GetModelStatusResponse")
GetModelMetadataRequest: Final = _class("GetModelMetadataRequest")
GetModelMetadataResponse: Final = _class("GetModelMetadataResponse")

# Full name of a method -> request and response.
METHODS: Final[dict[str, tuple[Any, Any]]] = {
    "/tensorflow.serving.PredictionService/Predict": (PredictRequest, PredictResponse),
    "/tensorflow.serving.PredictionService/GetModelMetadata": (
        GetModelMetadataRequest,
        GetModelMetadataResponse,
    ),
    "/tensorflow.serving.ModelService/GetModelStatus": (GetModelStatusRequest, GetModelStatusResponse),
}
