"""PredictionService.Predict."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
import tensorflow as tf
from support.models.conformance_models import CANARY, ECHO, HALF, STABLE, TYPES
from support.servers.model_servers import Target, outputs_of, predict_request, refusal
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
NOT_FOUND = grpc.StatusCode.NOT_FOUND


def test_the_answer_carries_model_version_and_signature(target: Target) -> None:
    response = target.predict(HALF, {"x": [1.0, 2.0]})
    np.testing.assert_array_equal(outputs_of(response)["y"], [3.5, 4.0])
    assert response.model_spec.name == HALF
    assert response.model_spec.version.value == 2
    assert response.model_spec.signature_name == "serving_default"


def test_a_version_or_label_may_be_asked(target: Target) -> None:
    for version, added in ((1, 2.0), (2, 3.0)):
        response = target.predict(HALF, {"x": [1.0]}, version=version)
        assert outputs_of(response)["y"] == [0.5 + added]
        assert response.model_spec.version.value == version
    for label, version in ((STABLE, 1), (CANARY, 2)):
        assert target.predict(HALF, {"x": [1.0]}, label=label).model_spec.version.value == version


def values(dtype: tf.DType) -> np.ndarray:
    if dtype == tf.string:
        return np.array([[b"", b"\xff\x00"], [b"a", b"b"]], object)
    if dtype.is_complex:
        return np.array([[1 + 2j, -1j], [0, 3]], dtype.as_numpy_dtype)
    return np.array([[0, 1], [2, 3]]).astype(dtype.as_numpy_dtype)


@pytest.mark.parametrize("name", TYPES)
def test_every_type_is_taken_and_given(target: Target, name: str) -> None:
    dtype = tf.as_dtype(name)
    array = values(dtype)
    for proto in (tf.make_tensor_proto(array, dtype), _one_by_one(array, dtype)):
        response = target.predict(ECHO, {"x": proto}, signature=f"identity_{name}")
        found = outputs_of(response)["y"]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
        assert not response.outputs["y"].tensor_content  # values in the field of their type


def _one_by_one(array: np.ndarray, dtype: tf.DType) -> tensor_pb2.TensorProto:
    """Values in the field of their type, where TensorFlow puts that of a scalar."""
    proto = tensor_pb2.TensorProto()
    for value in array.reshape(-1):
        scalar = tf.make_tensor_proto(value, dtype)
        assert not scalar.tensor_content
        proto.MergeFrom(scalar)
    proto.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    return proto


def test_fewer_values_than_elements_repeat_the_last(target: Target) -> None:
    proto = tensor_pb2.TensorProto(dtype=tf.float32.as_datatype_enum, float_val=[1.0, 2.0])
    proto.tensor_shape.dim.add().size = 4
    assert outputs_of(target.predict(HALF, {"x": proto}))["y"].tolist() == [3.5, 4.0, 4.0, 4.0]


def test_the_output_filter_chooses(target: Target) -> None:
    inputs = {"a": [1.5], "b": tf.constant([2], tf.int32).numpy()}
    assert set(target.predict(ECHO, inputs, "two").outputs) == {"sum", "b"}
    assert set(target.predict(ECHO, inputs, "two", outputs=["b"]).outputs) == {"b"}
    code, text = refusal(lambda: target.predict(ECHO, inputs, "two", outputs=["c"]))
    assert code is INVALID_ARGUMENT
    assert "output tensor alias not found in signature: c" in text
    code, text = refusal(lambda: target.predict(ECHO, inputs, "two", outputs=["b", "b"]))
    assert (code, text) == (INVALID_ARGUMENT, "duplicate output tensor alias: b")


def test_a_signature_that_is_not_there_is_a_failed_precondition(target: Target) -> None:
    code, text = refusal(lambda: target.predict(HALF, {"x": [1.0]}, "s"))
    assert (code, text) == (FAILED_PRECONDITION, 'Serving signature key "s" not found.')


def test_models_versions_and_labels_that_are_not_there(target: Target) -> None:
    code, text = refusal(lambda: target.predict("m", {"x": [1.0]}))
    assert (code, text) == (NOT_FOUND, "Servable not found for request: Latest(m)")
    code, text = refusal(lambda: target.predict(HALF, {"x": [1.0]}, version=9))
    assert (code, text) == (NOT_FOUND, f"Servable not found for request: Specific({HALF}, 9)")
    code, text = refusal(lambda: target.predict(HALF, {"x": [1.0]}, label="l"))
    assert (code, text) == (INVALID_ARGUMENT, "Unrecognized servable version label: l")
    code, text = refusal(lambda: target.predictions.Predict(predict_pb2.PredictRequest(), timeout=60))
    assert (code, text) == (INVALID_ARGUMENT, "Missing ModelSpec")


def test_names_of_inputs_are_looked_at_before_their_values(target: Target) -> None:
    request = predict_request(ECHO, {"a": [1.5]}, "two")
    for name in ("b", "c"):
        wrong = request.inputs[name]
        wrong.dtype = tf.float32.as_datatype_enum
        wrong.tensor_shape.dim.add().size = 3
        wrong.tensor_content = b"12345"
    code, text = refusal(lambda: target.predictions.Predict(request, timeout=60))
    assert code is INVALID_ARGUMENT
    assert text.startswith("input size does not match signature: 3!=2 ")


def test_inputs_must_be_exactly_the_signatures(target: Target) -> None:
    code, text = refusal(lambda: target.predict(ECHO, {"a": [1.5]}, "two"))
    assert code is INVALID_ARGUMENT
    assert text == (
        "input size does not match signature: 1!=2 len({a}) != len({a,b}). "
        "Sent extra: {}. Missing but required: {b}."
    )
    code, text = refusal(lambda: target.predict(HALF, {"x": [1.0], "z": [1.0]}))
    assert code is INVALID_ARGUMENT
    assert "Sent extra: {z}. Missing but required: {}." in text


def test_inputs_must_have_the_signatures_type(target: Target) -> None:
    code, _ = refusal(lambda: target.predict(HALF, {"x": [1]}))
    assert code is INVALID_ARGUMENT


@pytest.mark.parametrize(
    "sizes",
    [(-1,), (2**62, 4), (2, 3, -1)],
    ids=["negative", "overflow", "negative last"],
)
def test_shapes_that_are_none_are_refused(target: Target, sizes: tuple[int, ...]) -> None:
    proto = tensor_pb2.TensorProto(dtype=tf.float32.as_datatype_enum, float_val=[1.0])
    for size in sizes:
        proto.tensor_shape.dim.add().size = size
    code, text = refusal(lambda: target.predict(HALF, {"x": proto}))
    assert code is INVALID_ARGUMENT
    assert "tensor parsing error: x" in text


def test_content_that_does_not_fit_the_shape_is_refused(target: Target) -> None:
    proto = tensor_pb2.TensorProto(dtype=tf.float32.as_datatype_enum, tensor_content=b"12345")
    proto.tensor_shape.dim.add().size = 2
    code, text = refusal(lambda: target.predict(HALF, {"x": proto}))
    assert code is INVALID_ARGUMENT
    assert "tensor parsing error: x" in text


def test_what_the_model_refuses_keeps_its_code_and_text(target: Target) -> None:
    code, text = refusal(lambda: target.predict(ECHO, {"x": [-1.0]}, "checked"))
    assert code is INVALID_ARGUMENT
    assert "x must not be negative" in text
    code, _ = refusal(lambda: target.predict(ECHO, {"a": [1.0]}, "unready"))
    assert code is FAILED_PRECONDITION


def test_messages_may_be_larger_than_grpcs_default(target: Target) -> None:
    array = np.arange(3 << 20, dtype=np.float32)  # 12 MiB
    response = target.predict(HALF, {"x": array}, version=1)
    np.testing.assert_array_equal(outputs_of(response)["y"], array / 2 + 2)


def test_a_deadline_is_kept(target: Target) -> None:
    code, _ = refusal(lambda: target.predict(ECHO, {"steps": np.int32([3000])}, "slow", timeout=0.2))
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert outputs_of(target.predict(HALF, {"x": [1.0]}))["y"] == [3.5]


def test_bytes_that_are_no_message_end_in_a_status(target: Target) -> None:
    call = target.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    code, _ = refusal(lambda: call(b"\xff\xff\xff", timeout=60))
    assert code in (INVALID_ARGUMENT, grpc.StatusCode.INTERNAL)


def test_a_method_that_is_not_there_is_unimplemented(target: Target) -> None:
    call = target.channel.unary_unary("/tensorflow.serving.PredictionService/Explain")
    assert refusal(lambda: call(b"", timeout=60))[0] is grpc.StatusCode.UNIMPLEMENTED


def test_many_at_once_get_their_own_answers(target: Target) -> None:
    calls = [
        target.predictions.Predict.future(predict_request(HALF, {"x": [float(n)]}, version=1), timeout=60)
        for n in range(200)
    ]
    assert [outputs_of(call.result())["y"][0] for call in calls] == [n / 2 + 2 for n in range(200)]
