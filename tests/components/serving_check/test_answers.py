"""What an answer must be, against stubs that are right but for one thing."""

from __future__ import annotations

import re

import pytest
import tensorflow as tf
from support.models import contract_model
from tensorflow_serving.apis import predict_pb2

import contract
from components.serving_check import answers

NAN = float("nan")


def failures(spoil) -> list[str]:
    """Of all signatures, once each has answered its warm-up request."""
    found = []
    for name, signature in contract.SIGNATURES.items():
        request = contract_model.request(signature).predict_log.request
        assert answers.check_request(request) == []
        inputs = {key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        for key, value in spoil(name, contract_model.answer(signature, inputs)).items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        found += answers.check_response(request, response)
    return found


def change(signature, name, how):
    def spoil(asked, outputs):
        return {**outputs, name: how(outputs[name])} if asked == signature else outputs

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change(contract.SIMILAR, contract.SCORES, lambda v: v + NAN), "similar: scores holds values"),
        (change(contract.RATE, contract.RATINGS, lambda v: v - float("inf")), "rate: ratings holds values"),
        (change(contract.RATE, contract.RATINGS, lambda v: tf.cast(v, tf.int32)), "is int32, expected"),
        (change(contract.RECOMMEND, contract.ITEM_IDS, lambda v: v[:1]), r"shape \[1, 3\] for 2 rows"),
        (change(contract.RECOMMEND, contract.ITEM_IDS, lambda v: v[:, 0]), r"shape \[2\] for 2 rows"),
        (
            lambda name, outputs: {"other": tf.zeros([2])} if name == contract.EXPLAIN else outputs,
            r"explain: expected the outputs .*, got \['other'\]",
        ),
        (change(contract.EVALUATE, contract.SCORES, lambda v: v + NAN), "evaluate: scores holds values"),
        (
            change(contract.EVALUATE, contract.PREDICTED_RATINGS, lambda v: v + float("inf")),
            "evaluate: predicted_ratings holds values",
        ),
        (
            change(contract.EMBED_QUERY, contract.EMBEDDING, lambda v: tf.zeros([7, 3])),
            "embed_query: .*shape",
        ),
    ],
)
def test_what_breaks_the_contract_is_one_clear_line(spoil, message):
    [failure] = failures(spoil)
    assert re.search(message, failure)


def test_what_keeps_it_passes_and_evaluate_may_mark_places_by_nan():
    assert failures(lambda name, outputs: outputs) == []
    assert failures(change(contract.EVALUATE, contract.PREDICTED_RATINGS, lambda v: v + NAN)) == []


def test_requests_beyond_the_contract():
    request = contract_model.request(contract.SIGNATURES[contract.SIMILAR]).predict_log.request
    del request.inputs[contract.K]
    assert answers.check_request(request) == ["similar: inputs missing or not in the contract: ['k']"]
    request.model_spec.signature_name = "other"
    assert answers.check_request(request) == [
        "other: a warm-up request asks a signature that is not in the contract"
    ]
