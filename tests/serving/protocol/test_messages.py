"""The messages of the client beside the official ones."""

from __future__ import annotations

import pytest
from google.protobuf import any_pb2, descriptor, wrappers_pb2
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)

from serving.protocol import messages

OFFICIAL = {
    "Any": any_pb2.Any,
    "Dim": tensor_shape_pb2.TensorShapeProto.Dim,
    "TensorShapeProto": tensor_shape_pb2.TensorShapeProto,
    "TensorProto": tensor_pb2.TensorProto,
    "Int64Value": wrappers_pb2.Int64Value,
    "ModelSpec": model_pb2.ModelSpec,
    "PredictRequest": predict_pb2.PredictRequest,
    "PredictResponse": predict_pb2.PredictResponse,
    "StatusProto": type(get_model_status_pb2.ModelVersionStatus().status),
    "ModelVersionStatus": get_model_status_pb2.ModelVersionStatus,
    "GetModelStatusRequest": get_model_status_pb2.GetModelStatusRequest,
    "GetModelStatusResponse": get_model_status_pb2.GetModelStatusResponse,
    "GetModelMetadataRequest": get_model_metadata_pb2.GetModelMetadataRequest,
    "GetModelMetadataResponse": get_model_metadata_pb2.GetModelMetadataResponse,
}


def described(field: descriptor.FieldDescriptor) -> str:
    """A field's type in the words of the table; an enum is an int32 on the wire."""
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        assert message.fields_by_name["key"].type == field.TYPE_STRING
        return f"map {message.fields_by_name['value'].message_type.name}"
    names = {
        field.TYPE_DOUBLE: "double", field.TYPE_FLOAT: "float", field.TYPE_INT64: "int64",
        field.TYPE_UINT64: "uint64", field.TYPE_INT32: "int32", field.TYPE_UINT32: "uint32",
        field.TYPE_BOOL: "bool", field.TYPE_STRING: "string", field.TYPE_BYTES: "bytes",
        field.TYPE_ENUM: "int32",
    }  # fmt: skip
    name = message.name if message is not None else names[field.type]
    return f"repeated {name}" if field.is_repeated else name


@pytest.mark.parametrize("name", messages.FIELDS)
def test_fields_are_those_of_the_official_messages(name):
    fields = OFFICIAL[name].DESCRIPTOR.fields_by_name
    assert messages.FIELDS[name] == {
        field: (described(fields[field]), fields[field].number) for field in messages.FIELDS[name]
    }


def test_bytes_are_those_of_the_official_messages():
    request = messages.PredictRequest(output_filter=["a"])
    request.model_spec.name = "marquee"
    request.model_spec.version.value = 7
    tensor = request.inputs["x"]
    tensor.dtype = 1
    tensor.tensor_shape.dim.add().size = 2
    tensor.float_val.extend([0.5, -1.0])
    official = predict_pb2.PredictRequest.FromString(request.SerializeToString())
    assert official.model_spec.version.value == 7
    assert list(official.inputs["x"].float_val) == [0.5, -1.0]
    assert messages.PredictRequest.FromString(official.SerializeToString()) == request
