"""Classify, Regress, MultiInference, GetModelMetadata, GetModelStatus, health and reflection."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
import tensorflow as tf
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.models.conformance_models import CLASSIFY, ECHO, HALF, REGRESS
from support.servers.model_servers import Target, predict_request, refusal
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_management_pb2,
    regression_pb2,
)

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE


def example(**features: float) -> tf.train.Example:
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
                for name, value in features.items()
            }
        )
    )


def examples(*found: tf.train.Example) -> input_pb2.Input:
    return input_pb2.Input(example_list=input_pb2.ExampleList(examples=found))


def asked(request: Any, signature: str = "", name: str = HALF, version: int | None = 1) -> Any:
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    return request


def test_regress_gives_a_value_per_example(target: Target) -> None:
    request = regression_pb2.RegressionRequest(input=examples(example(x=1), example(x=2), example()))
    response = target.predictions.Regress(asked(request, "regress_x_to_y"), timeout=60)
    assert [regression.value for regression in response.result.regressions] == [2.5, 3.0, 2.0]
    assert response.model_spec.name == HALF
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "regress_x_to_y"


def test_classify_gives_labels_and_scores(target: Target) -> None:
    request = classification_pb2.ClassificationRequest(input=examples(example(x=1), example(x=2)))
    response = target.predictions.Classify(asked(request, "classify_labels"), timeout=60)
    found = [[(c.label, c.score) for c in row.classes] for row in response.result.classifications]
    assert found == [[("half", 2.5), ("plus", 3.5)], [("half", 3.0), ("plus", 4.0)]]


def test_the_context_is_part_of_every_example(target: Target) -> None:
    given = input_pb2.Input(
        example_list_with_context=input_pb2.ExampleListWithContext(
            context=example(x=4), examples=[example(), example()]
        )
    )
    request = asked(regression_pb2.RegressionRequest(input=given), "regress_x_to_y")
    response = target.predictions.Regress(request, timeout=60)
    assert [regression.value for regression in response.result.regressions] == [4.0, 4.0]


def test_no_examples_are_an_error(target: Target) -> None:
    request = asked(regression_pb2.RegressionRequest(), "regress_x_to_y")
    code, text = refusal(lambda: target.predictions.Regress(request, timeout=60))
    assert code is INVALID_ARGUMENT
    assert "Input is empty" in text


def test_an_example_of_the_wrong_kind_is_refused_whatever_its_bytes(target: Target) -> None:
    wrong = tf.train.Example()
    wrong.features.feature["x"].bytes_list.value.append(b"\xff\xfe")
    request = asked(regression_pb2.RegressionRequest(input=examples(wrong)), "regress_x_to_y")
    code, text = refusal(lambda: target.predictions.Regress(request, timeout=60))
    assert code is INVALID_ARGUMENT
    assert "x" in text


def test_an_error_that_quotes_bytes_is_a_status(target: Target) -> None:
    request = predict_request(ECHO, {"text": [b"\xff\xfe"]}, "number")
    code, text = refusal(lambda: target.predictions.Predict(request, timeout=60))
    assert code is INVALID_ARGUMENT
    assert "StringToNumberOp could not correctly convert string" in text


def test_classify_needs_its_signature(target: Target) -> None:
    request = asked(classification_pb2.ClassificationRequest(input=examples(example(x=1))), "s")
    code, text = refusal(lambda: target.predictions.Classify(request, timeout=60))
    assert (code, text) == (INVALID_ARGUMENT, "No signature was found with the name: s")


def test_multi_inference_answers_every_task(target: Target) -> None:
    request = inference_pb2.MultiInferenceRequest(input=examples(example(x=1)))
    for signature, method in (("regress_x_to_y", REGRESS), ("classify_x_to_y", CLASSIFY)):
        asked(request.tasks.add(method_name=method), signature)
    response = target.predictions.MultiInference(request, timeout=60)
    regressed, classified = response.results
    assert regressed.regression_result.regressions[0].value == 2.5
    assert classified.classification_result.classifications[0].classes[0].score == 2.5
    assert regressed.model_spec.signature_name == "regress_x_to_y"
    assert classified.model_spec.version.value == 1


def test_multi_inference_gives_the_examples_to_each_signatures_own_input(target: Target) -> None:
    request = inference_pb2.MultiInferenceRequest(input=examples(example(x=1)))
    for signature in ("regress_x_to_y", "regress_other_input"):
        asked(request.tasks.add(method_name=REGRESS), signature)
    results = target.predictions.MultiInference(request, timeout=60).results
    assert [found.regression_result.regressions[0].value for found in results] == [2.5, 3.5]


def test_a_signature_of_another_method_is_an_invalid_argument(target: Target) -> None:
    given = examples(example(x=1))
    request = asked(classification_pb2.ClassificationRequest(input=given), "regress_x_to_y")
    code, _ = refusal(lambda: target.predictions.Classify(request, timeout=60))
    assert code is INVALID_ARGUMENT
    request = asked(regression_pb2.RegressionRequest(input=given), "classify_x_to_y")
    code, _ = refusal(lambda: target.predictions.Regress(request, timeout=60))
    assert code is INVALID_ARGUMENT


def test_outputs_of_another_type_are_an_invalid_argument(target: Target) -> None:
    given = examples(example(x=1))
    request = asked(regression_pb2.RegressionRequest(input=given), "regress_whole")
    found = refusal(lambda: target.predictions.Regress(request, timeout=60))
    # Two blanks here, one below: texts that clients may compare.
    assert found == (INVALID_ARGUMENT, "Expected output Tensor of DT_FLOAT.  Got: DT_INT32")
    request = asked(classification_pb2.ClassificationRequest(input=given), "classify_whole")
    found = refusal(lambda: target.predictions.Classify(request, timeout=60))
    assert found == (INVALID_ARGUMENT, "Expected scores Tensor of DT_FLOAT. Got: DT_INT32")


def test_multi_inference_refuses_two_models(target: Target) -> None:
    request = inference_pb2.MultiInferenceRequest(input=examples(example(x=1)))
    asked(request.tasks.add(method_name=REGRESS), "regress_x_to_y")
    asked(request.tasks.add(method_name=REGRESS), "regress_x_to_y", name="echo")
    code, _ = refusal(lambda: target.predictions.MultiInference(request, timeout=60))
    assert code is INVALID_ARGUMENT


def metadata(target: Target, *fields: str, name: str = HALF) -> Any:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    return target.predictions.GetModelMetadata(request, timeout=60)


def test_the_metadata_are_the_signatures(target: Target) -> None:
    response = metadata(target, "signature_def")
    assert response.model_spec.name == HALF
    assert response.model_spec.version.value == 2
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    default = signatures.signature_def["serving_default"]
    assert default.inputs["x"].dtype == tf.float32.as_datatype_enum
    assert default.method_name == "tensorflow/serving/predict"


def test_only_signature_def_may_be_asked_for(target: Target) -> None:
    code, text = refusal(lambda: metadata(target, "weights"))
    assert code is INVALID_ARGUMENT
    assert "Metadata field" in text
    code, text = refusal(lambda: metadata(target))
    assert (code, text) == (
        INVALID_ARGUMENT,
        "GetModelMetadataRequest must specify at least one metadata_field",
    )
    code, text = refusal(lambda: metadata(target, "signature_def", name="m"))
    assert (code, text) == (NOT_FOUND, "Servable not found for request: Latest(m)")


def status(target: Target, name: str, version: int | None = None) -> dict[int, int]:
    request = asked(get_model_status_pb2.GetModelStatusRequest(), name=name, version=version)
    response = target.models.GetModelStatus(request, timeout=60)
    return {found.version: found.state for found in response.model_version_status}


def test_the_status_lists_every_version(target: Target) -> None:
    assert status(target, HALF) == {1: AVAILABLE, 2: AVAILABLE}
    assert status(target, HALF, 1) == {1: AVAILABLE}


def test_the_status_of_what_is_not_there_is_not_found(target: Target) -> None:
    code, text = refusal(lambda: status(target, "m"))
    assert (code, text) == (NOT_FOUND, "Could not find any versions of model m")
    code, text = refusal(lambda: status(target, HALF, 9))
    assert (code, text) == (NOT_FOUND, f"Could not find version 9 of model {HALF}")


def test_a_reload_without_a_config_is_refused(target: Target) -> None:
    request = model_management_pb2.ReloadConfigRequest()
    code, text = refusal(lambda: target.models.HandleReloadConfigRequest(request, timeout=60))
    assert code is INVALID_ARGUMENT
    assert "Only ModelConfigList is currently supported" in text


@pytest.mark.parametrize("service", ["", "ModelService", "PredictionService"])
def test_health_is_serving(target: Target, service: str) -> None:
    stub = health_pb2_grpc.HealthStub(target.channel)
    found = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)
    assert found.status == health_pb2.HealthCheckResponse.SERVING


def test_health_of_an_unknown_service_is_not_found(target: Target) -> None:
    stub = health_pb2_grpc.HealthStub(target.channel)
    code, _ = refusal(lambda: stub.Check(health_pb2.HealthCheckRequest(service="s"), timeout=60))
    assert code is NOT_FOUND


def test_reflection_lists_the_services_and_their_files(target: Target) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(target.channel)
    service = "tensorflow.serving.PredictionService"
    asked_for = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=service),
    ]
    listed, file = stub.ServerReflectionInfo(iter(asked_for), timeout=60)
    names = {found.name for found in listed.list_services_response.service}
    assert {service, "tensorflow.serving.ModelService"} <= names
    descriptors = map(FileDescriptorProto.FromString, file.file_descriptor_response.file_descriptor_proto)
    methods = {m.name for d in descriptors for s in d.service for m in s.method}
    assert methods == {"Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata"}
