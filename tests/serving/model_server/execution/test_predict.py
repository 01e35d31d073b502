from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from support.models import conformance_models, tiny_models
from support.models.contract_signatures import of_the_contract
from tensorflow_serving.apis import inference_pb2, input_pb2

import contract
from serving.model_server.execution import checks
from serving.model_server.execution.batching.batcher import Batcher
from serving.model_server.execution.batching.options import BatchingOptions
from serving.model_server.execution.predict import DataPlane
from serving.model_server.execution.requests import ModelSpec
from serving.model_server.execution.runtime import Model
from serving.model_server.observe.metrics import Metrics
from serving.model_server.observe.request_log import RequestLog
from serving.model_server.versions.servables import Manager, Route, Table
from serving.protocol.errors import HTTP_STATUS, Code, StatusError

X = {"x": np.array([1, 2], np.float32)}
AB = {"a": np.ones(2, np.float32), "b": np.ones(2, np.int32)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    conformance_models.half_plus(folder / "half", 2.0)
    conformance_models.echo(folder / "echo")
    tiny_models.everything(folder / "everything")
    return folder


def with_models(
    folder: Path,
    body: Callable[[DataPlane], Coroutine[Any, Any, Any]],
    names: Sequence[str] = ("half", "echo"),
    check_method_names: bool = False,
) -> tuple[Any, str]:
    """Runs `body` on a data plane with version 3 of each model; its result and the metrics."""

    async def run() -> Any:
        metrics = Metrics()
        metrics.set_models(names)
        manager = Manager(Model.load, metrics)
        for name in names:
            await manager.load(name, 3, str(folder / name))
        manager.publish(Table({name: Route(3, (3,), {"stable": 3}) for name in names}))
        batcher = Batcher(BatchingOptions(), metrics)
        try:
            plane = DataPlane(manager, batcher, metrics, RequestLog(), check_method_names)
            return await body(plane), metrics.render().decode()
        finally:
            await manager.close()
            batcher.close()

    return asyncio.run(run())


def refused(folder: Path, call: Callable[[DataPlane], Coroutine[Any, Any, Any]], **more: Any) -> StatusError:
    async def body(plane: DataPlane) -> StatusError:
        with pytest.raises(StatusError) as error:
            await call(plane)
        return error.value

    return with_models(folder, body, **more)[0]


def examples(*values: float, context: float | None = None) -> input_pb2.Input:
    def example(value: float) -> tf.train.Example:
        feature = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        return tf.train.Example(features=tf.train.Features(feature={"x": feature}))

    given = input_pb2.Input()
    if context is None:
        given.example_list.examples.extend([example(value) for value in values])
    else:
        given.example_list_with_context.context.CopyFrom(example(context))
        given.example_list_with_context.examples.extend([tf.train.Example() for _ in values])
    return given


def test_predict_answers_with_what_it_ran_on(folder: Path) -> None:
    async def body(plane: DataPlane) -> None:
        found = await plane.predict(ModelSpec("half"), X)
        assert (found.name, found.version, found.signature) == ("half", 3, "serving_default")
        assert found.outputs["y"].tolist() == [2.5, 3.0]
        by_label = await plane.predict(ModelSpec("half", label="stable"), X)
        assert by_label.version == 3
        decoded = await plane.predict(
            ModelSpec("half", 3), lambda signature: dict.fromkeys(signature.inputs, X["x"])
        )
        assert decoded.outputs["y"].tolist() == [2.5, 3.0]
        some = await plane.predict(ModelSpec("echo", signature="two"), AB, ["b"])
        assert list(some.outputs) == ["b"]

    _, metrics = with_models(folder, body)
    assert ':tensorflow:serving:request_count{model_name="half",status="OK"} 3' in metrics
    assert (
        ':tensorflow:serving:runtime_latency_count{model_name="half",API="Predict",runtime="TF1"} 3'
        in metrics
    )


@pytest.mark.parametrize(
    ("spec", "inputs", "output_filter", "code", "text"),
    [
        (ModelSpec("none"), X, (), Code.NOT_FOUND, "Servable not found for request: Latest(none)"),
        (ModelSpec("half", 9), X, (), Code.NOT_FOUND, "Servable not found for request: Specific(half, 9)"),
        (
            ModelSpec("half", label="new"),
            X,
            (),
            Code.INVALID_ARGUMENT,
            "Unrecognized servable version label: new",
        ),
        (
            ModelSpec("half", signature="no"),
            X,
            (),
            Code.FAILED_PRECONDITION,
            'Serving signature key "no" not found.',
        ),
        (
            ModelSpec("echo", signature="two"),
            {"a": AB["a"]},
            (),
            Code.INVALID_ARGUMENT,
            "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. "
            "Missing but required: {b}.",
        ),
        (
            ModelSpec("half"),
            {**X, "z": X["x"]},
            (),
            Code.INVALID_ARGUMENT,
            "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. "
            "Missing but required: {}.",
        ),
        (
            ModelSpec("half"),
            {"y": X["x"]},
            (),
            Code.INVALID_ARGUMENT,
            "Signature input alias: x(feed name: x:0) not found in request and no default value provided. "
            "Inputs expected to be in the request {y}, or default input alias set: ",
        ),
        (
            ModelSpec("half"),
            {"x": np.array([b"1"], object)},
            (),
            Code.INVALID_ARGUMENT,
            "Expects arg[0] to be float but string is provided",
        ),
        (
            ModelSpec("echo", signature="two"),
            {**AB, "b": AB["a"]},
            (),
            Code.INVALID_ARGUMENT,
            "Expects arg[1] to be int32 but float is provided",
        ),
        (
            ModelSpec("half"),
            X,
            ("y", "w"),
            Code.INVALID_ARGUMENT,
            "output tensor alias not found in signature: w Outputs expected to be in the set {y}.",
        ),
        (ModelSpec("half"), X, ("y", "y"), Code.INVALID_ARGUMENT, "duplicate output tensor alias: y"),
    ],
)
def test_what_predict_refuses_it_refuses_with_tensorflow_serving_s_words(
    folder: Path, spec: ModelSpec, inputs: dict, output_filter: tuple, code: Code, text: str
) -> None:
    error = refused(folder, lambda plane: plane.predict(spec, inputs, output_filter))
    assert (error.code, error.message) == (code, text)


def test_outputs_asked_for_in_any_order_are_one_graph_and_one_batch(folder: Path) -> None:
    signature = Model.load(str(folder / "echo")).signatures["two"]
    assert checks.predict_outputs(signature, ["sum", "b"]) == checks.predict_outputs(signature, ["b", "sum"])
    assert checks.predict_outputs(signature, ["sum"]) == ("sum",)


def test_rest_has_its_own_words_for_an_unknown_signature(folder: Path) -> None:
    error = refused(folder, lambda plane: plane.predict(ModelSpec("half", signature="no"), X, api="REST"))
    assert error.code is Code.INVALID_ARGUMENT
    assert error.message == 'Serving signature name: "no" not found in signature def'


def test_the_error_of_an_operation_is_counted(folder: Path) -> None:
    async def body(plane: DataPlane) -> None:
        with pytest.raises(StatusError, match="x must not be negative"):
            await plane.predict(ModelSpec("echo", signature="checked"), {"x": np.array([-1], np.float32)})

    _, metrics = with_models(folder, body)
    assert ':tensorflow:serving:request_count{model_name="echo",status="INVALID_ARGUMENT"} 1' in metrics
    assert "request_latency_count" not in metrics


def test_defaults_of_the_contracts_signatures_fit_the_batch() -> None:
    signature = of_the_contract(contract.SERVING_DEFAULT)
    ids = np.array([[b"1", b"6", b"2"], [b"3", b"", b""]], object)
    found = checks.predict_inputs(signature, {contract.HISTORY_ITEM_IDS: ids})
    assert found[contract.HISTORY_RATINGS].tolist() == [[0.0] * 3] * 2
    assert found[contract.HISTORY_TIMESTAMPS].dtype == np.int64
    assert found[contract.HISTORY_TIMESTAMPS].shape == (2, 3)


def test_defaults_are_as_wide_as_what_is_given_of_their_columns() -> None:
    signature = of_the_contract(contract.RECOMMEND)
    found = checks.predict_inputs(signature, {contract.HISTORY_RATINGS: np.ones((1, 5), np.float32)})
    assert found[contract.HISTORY_ITEM_IDS].tolist() == [[b""] * 5]
    assert found[contract.HISTORY_TIMESTAMPS].tolist() == [[0] * 5]
    assert found[contract.TASTE_GENRES].shape == found[contract.EXCLUDE].shape == (1, 1)


def test_unequal_rows_are_refused_before_any_default_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one input times columns of another: a hundred bytes would have been gigabytes."""
    signature = of_the_contract(contract.RECOMMEND)
    ids = np.full((1, 20_000), b"1", object)
    k = np.ones(20_000, np.int32)
    monkeypatch.setattr(np, "full", lambda *_: pytest.fail("a default was made"))
    with pytest.raises(StatusError) as error:
        checks.predict_inputs(signature, {contract.HISTORY_ITEM_IDS: ids, contract.K: k})
    assert error.value.code is Code.INVALID_ARGUMENT
    assert error.value.message == (
        "every input needs the same number of rows (history_item_ids, k), got history_item_ids: 1 k: 20000; "
        "give an input in all rows of the request"
    )
    with pytest.raises(StatusError) as error:
        checks.predict_inputs(signature, {contract.K: k}, max_rows=1024)
    assert error.value.code is Code.INVALID_ARGUMENT
    assert "at most 1024 rows are answered in one request (--max_request_rows), got 20000 of k" in (
        error.value.message
    )


def test_defaults_of_a_signature_are_filled_in(folder: Path) -> None:
    model = Model.load(str(folder / "echo"))
    signature = model.signatures["two"]
    signature.proto.defaults["b"].CopyFrom(tf.make_tensor_proto([5, 6], tf.int32))
    found = checks.predict_inputs(signature, {"a": AB["a"]})
    assert found["b"].tolist() == [5, 6]
    with pytest.raises(StatusError, match=r"Signature input alias: a\(feed name: a:0\) not found"):
        checks.predict_inputs(signature, {"b": AB["b"]})
    with pytest.raises(StatusError, match=r"Inputs contains invalid name. Used request inputs: a,"):
        checks.predict_inputs(signature, {"a": AB["a"], "c": AB["b"]})


def test_classify(folder: Path) -> None:
    async def body(plane: DataPlane) -> None:
        both = await plane.classify(ModelSpec("half", signature="classify_labels"), examples(2, 4))
        assert both.model_spec.version.value == 3
        assert both.model_spec.signature_name == "classify_labels"
        rows = [[(item.label, item.score) for item in row.classes] for row in both.result.classifications]
        assert rows == [[("half", 3), ("plus", 4)], [("half", 4), ("plus", 5)]]
        scores = await plane.classify(ModelSpec("half", signature="classify_x_to_y"), examples(2))
        assert [(c.label, c.score) for c in scores.result.classifications[0].classes] == [("", 3)]

    _, metrics = with_models(folder, body)
    assert ':tensorflow:serving:request_example_counts_sum{model="half"} 3' in metrics
    assert 'API="Classify"' in metrics


def test_regress_with_and_without_a_context(folder: Path) -> None:
    spec = ModelSpec("half", signature="regress_x_to_y")

    async def body(plane: DataPlane) -> list[list[float]]:
        answers = [
            await plane.regress(spec, given) for given in (examples(2, 4), examples(0, 0, 0, context=10))
        ]
        return [[item.value for item in answer.result.regressions] for answer in answers]

    assert with_models(folder, body)[0] == [[3, 4], [7, 7, 7]]


@pytest.mark.parametrize(
    ("method", "signature", "given", "code", "text"),
    [
        ("classify", "no", examples(1), Code.INVALID_ARGUMENT, "No signature was found with the name: no"),
        ("regress", "regress_x_to_y", examples(), Code.INVALID_ARGUMENT, "Input is empty."),
        (
            "classify",
            "regress_x_to_y",
            examples(1),
            Code.INVALID_ARGUMENT,
            "Expected classification signature outputs to contain at least one of",
        ),
        ("regress", "classify_labels", examples(1), Code.INVALID_ARGUMENT, "Expected one output Tensor."),
        (
            "regress",
            "classify_x_to_y",
            examples(1),
            Code.INVALID_ARGUMENT,
            "No regression outputs found in SignatureDef: ",
        ),
        (
            "regress",
            "serving_default",
            examples(1),
            Code.FAILED_PRECONDITION,
            "No regression inputs found in SignatureDef: ",
        ),
    ],
)
def test_what_classify_and_regress_refuse(
    folder: Path, method: str, signature: str, given: input_pb2.Input, code: Code, text: str
) -> None:
    spec = ModelSpec("half", signature=signature)
    error = refused(folder, lambda plane: getattr(plane, method)(spec, given))
    assert error.code is code
    assert error.message.startswith(text)


def test_method_names_are_checked_only_if_asked_for(folder: Path) -> None:
    spec = ModelSpec("half", signature="regress_x_to_y")
    error = refused(folder, lambda plane: plane.classify(spec, examples(1)), check_method_names=True)
    assert error.message == (
        "Expected classification signature method_name to be tensorflow/serving/classify. "
        "Was: tensorflow/serving/regress"
    )


def tasks(*wanted: tuple[str, str, str]) -> inference_pb2.MultiInferenceRequest:
    request = inference_pb2.MultiInferenceRequest(input=examples(2, 4))
    for model, signature, method in wanted:
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = model, signature
    return request


def test_multi_inference(folder: Path) -> None:
    request = tasks(("half", "regress_x_to_y", "regress"), ("half", "classify_labels", "classify"))

    async def body(plane: DataPlane) -> None:
        answer = await plane.multi_inference(request)
        regressed, classified = answer.results
        assert [item.value for item in regressed.regression_result.regressions] == [3, 4]
        assert classified.classification_result.classifications[1].classes[1].score == 5
        assert classified.model_spec.signature_name == "classify_labels"

    with_models(folder, body)


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (tasks(), Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        (
            tasks(("half", "regress_x_to_y", "regress"), ("echo", "two", "regress")),
            Code.INVALID_ARGUMENT,
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        (
            tasks(*[("half", "regress_x_to_y", "regress")] * 2),
            Code.INVALID_ARGUMENT,
            "Duplicate evaluation of signature: regress_x_to_y",
        ),
        (
            tasks(("half", "no", "regress")),
            Code.INVALID_ARGUMENT,
            "Requested signature not found in model graph: no",
        ),
        (
            tasks(("half", "regress_x_to_y", "predict")),
            Code.UNIMPLEMENTED,
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
    ],
)
def test_what_multi_inference_refuses(
    folder: Path, request_: inference_pb2.MultiInferenceRequest, code: Code, text: str
) -> None:
    error = refused(folder, lambda plane: plane.multi_inference(request_))
    assert (error.code, error.message) == (code, text)


def test_codes_are_tensorflow_s_and_every_one_has_an_http_status() -> None:
    assert {code: Code(code).name for code in Code} == {
        number: name for name, number in tf.errors.__dict__.items() if isinstance(number, int)
    } | {0: "OK"}
    assert set(HTTP_STATUS) == set(Code)
    assert StatusError(Code.UNAVAILABLE, "").http_status == 503
