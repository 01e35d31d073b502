"""A model of a log without ratings: a request gives weights of events, which count as such ratings do."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import contract
from components.common.features import Features
from components.example_gen.records.schemas import timelines_schema
from components.example_gen.records.write import encode
from components.index.build import assemble
from components.index.carried.warmup_requests import warmup_requests
from components.serving_check.answers import check_request
from serving.model_server.execution import merging
from serving.model_server.execution.runtime import Model

NAMES = (contract.SERVING_DEFAULT, contract.RECOMMEND, contract.EXPLAIN, contract.SIMILAR)
IMPLICIT = Features(feedback="implicit")


@pytest.fixture(scope="module")
def world(make_world):
    return make_world(60, users=3)


@pytest.fixture(scope="module")
def built(world):
    towers, params = world.towers, world.params
    return assemble(towers, world.items, world.timelines, params, [contract.MODEL_EXACT], IMPLICIT)[
        contract.MODEL_EXACT
    ]


@pytest.fixture(scope="module")
def recommend(built):
    return built.module.function(contract.RECOMMEND)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.just(0.0), st.floats(0.125, 1.0, width=32)), min_size=3, max_size=3),
        max_size=3,
        min_size=1,
    )
)
def test_weights_rank_as_the_ratings_that_they_read_as(world, recommend, weights):
    ids = [[world.ids[row], world.ids[row + 5], ""] for row in range(len(weights))]
    got = recommend(history_item_ids=tf.constant(ids), history_weights=tf.constant(weights))
    ratings = [[4.0 + w if w else 0.0 for w in row] for row in weights]  # 0 is unknown
    wanted = world.ask(
        contract.MODEL_EXACT, contract.RECOMMEND, history_item_ids=ids, history_ratings=ratings
    )
    np.testing.assert_array_equal(got[contract.ITEM_IDS], wanted[contract.ITEM_IDS])
    np.testing.assert_allclose(got[contract.SCORES], wanted[contract.SCORES], atol=1e-6)


def test_evaluate_reads_and_answers_weights(world, built):
    weighted, rated = world.timelines[contract.TEST].to_pylist(), []
    for row in weighted:
        for name, other in contract.WEIGHTS_OF.items():
            row[other] = [0.5 if i % 2 else 1.0 for i in range(len(row.pop(name)))]
        rated.append({**row, **{name: [4 + w for w in row[o]] for name, o in contract.WEIGHTS_OF.items()}})
    found, wanted = (
        module.function(contract.EVALUATE)(examples=tf.constant(encode(pa.Table.from_pylist(rows, schema))))
        for module, rows, schema in (
            (built.module, weighted, timelines_schema(implicit=True)),
            (world.built[contract.MODEL_EXACT].module, rated, timelines_schema()),
        )
    )
    assert contract.TARGET_RATINGS not in found
    np.testing.assert_array_equal(found.pop(contract.TARGET_WEIGHTS) + 4, wanted.pop(contract.TARGET_RATINGS))
    assert found.keys() == wanted.keys()
    for name in (contract.ITEM_IDS, contract.SCORES, contract.EXACT_ITEM_IDS, contract.TARGET_ITEM_IDS):
        np.testing.assert_array_equal(found[name], wanted[name])


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_weight_is_a_share_of_the_heaviest_event(recommend, weight):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"history_weights must be between 0 .* and 1"):
        recommend(history_item_ids=tf.constant([["10"]]), history_weights=tf.constant([[weight]]))


def test_the_saved_model_takes_weights_and_no_ratings(built, tmp_path):
    functions = {name: built.module.function(name) for name in NAMES}
    tf.saved_model.save(built.module, str(tmp_path / "m"), functions)
    model = Model.load(str(tmp_path / "m"))
    try:
        for name in NAMES:
            signature = model.signatures[name]
            assert contract.HISTORY_RATINGS not in signature.inputs
            assert signature.contract == contract.signatures(True)[name]
            assert isinstance(merging.of_signature(signature, False, False), merging.Contract)
    finally:
        model.close()


def test_its_warm_up_requests_are_its_own(world, built):
    logs = warmup_requests(built.catalogue, contract.MODEL_EXACT, IMPLICIT)
    requests = [log.predict_log.request for log in logs]
    assert not [wrong for request in requests for wrong in check_request(request)]
    sent = [dict(r.inputs) for r in requests if r.model_spec.signature_name == contract.SERVING_DEFAULT]
    for inputs in sent:
        assert contract.HISTORY_RATINGS not in inputs
        assert 0 <= tf.make_ndarray(inputs[contract.HISTORY_WEIGHTS]).max() <= 1
