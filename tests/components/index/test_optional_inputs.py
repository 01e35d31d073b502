"""Inputs that a request leaves out: their defaults in the graph are the neutral values, in any shape."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import contract

OPTIONAL = {
    contract.HISTORY_RATINGS: [[5.0, 3.0], [4.0, 0.0]],
    contract.HISTORY_TIMESTAMPS: [[7, 9], [0, 3]],
    contract.USER_ID: ["a", "b"],
    contract.NOW: [5, 0],
    contract.TASTE_GENRES: [["Drama"], ["Action"]],
    contract.K: [3, 5],
    contract.EXCLUDE: [["x", "y"], ["", ""]],
    contract.FILTER_GENRES: [["Drama"], [""]],
    contract.YEAR_MIN: [1980, 0],
    contract.YEAR_MAX: [0, 2000],
    contract.DIVERSITY: [0.0, 0.5],
    contract.WHERE: [["year>=1980", ""], ["genres!=Drama", "genres!=Horror"]],
    contract.CANDIDATES: [["13", "16", "19", "22"], ["", "", "", ""]],
    contract.BOOST_ITEM_IDS: [["", ""], ["22", "25"]],
    contract.AT_MOST: [["genres=2"], [""]],
}
SIGNATURE = contract.SIGNATURES[contract.RECOMMEND]


@pytest.fixture(scope="module")
def world(make_world):
    return make_world(100, users=3)


@pytest.fixture(scope="module")
def recommend(world):
    return world.built[contract.MODEL_EXACT].module.function(contract.RECOMMEND)


def tensors(values: dict) -> dict[str, tf.Tensor]:
    dtypes = {item.name: item.dtype for item in SIGNATURE.inputs}
    return {name: tf.constant(value, dtypes[name]) for name, value in values.items()}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(st.sampled_from(sorted(OPTIONAL))))
def test_leaving_an_input_out_is_giving_its_neutral_value(world, recommend, names):
    given_ = {contract.HISTORY_ITEM_IDS: [world.ids[:2], [world.ids[5], ""]]}
    given_ |= {name: OPTIONAL[name] for name in names}
    if contract.TASTE_GENRES in names:
        given_[contract.TASTE_WEIGHTS] = [[1.0], [2.0]]
    if contract.BOOST_ITEM_IDS in names:
        given_[contract.BOOSTS] = [[0.0, 0.0], [0.5, -0.5]]
    short = recommend(**tensors(given_))
    rows = [{name: given_[name][row] for name in given_} for row in range(2)]
    full = {
        name: [np.resize(v, 2).tolist() if name in _OF_HISTORY and name not in given_ else v for v in values]
        for name, values in SIGNATURE.filled(rows).items()
    }
    for name in _OF_HISTORY - given_.keys():
        full[name] = [[0, 0], [0, 0]]
    wanted = recommend(**tensors(full))
    np.testing.assert_array_equal(short[contract.ITEM_IDS], wanted[contract.ITEM_IDS])
    np.testing.assert_array_equal(short[contract.SCORES], wanted[contract.SCORES])


_OF_HISTORY = {contract.HISTORY_RATINGS, contract.HISTORY_TIMESTAMPS}


def test_with_nothing_at_all_it_is_the_answer_to_an_empty_history(world, recommend):
    nothing = recommend()
    empty = recommend(**tensors({contract.HISTORY_ITEM_IDS: [[""]]}))
    assert nothing[contract.ITEM_IDS].shape == (1, world.params.default_k)
    np.testing.assert_array_equal(nothing[contract.ITEM_IDS], empty[contract.ITEM_IDS])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({contract.HISTORY_RATINGS: [[5.0]]}, "same number of rows"),
        ({contract.HISTORY_RATINGS: [[5.0], [4.0]]}, "need the same shape"),
        ({contract.NOW: [5]}, "same number of rows"),
        ({contract.YEAR_MIN: [1990, 1990, 1990]}, "same number of rows"),
        ({contract.TASTE_WEIGHTS: [[1.0, 2.0], [1.0, 2.0]]}, "need the same shape"),
    ],
)
def test_one_row_that_says_something_is_not_spread_over_the_batch(world, recommend, wrong, message):
    history = {contract.HISTORY_ITEM_IDS: [world.ids[:2], world.ids[5:7]]}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        recommend(**tensors({**history, **wrong}))


@pytest.mark.parametrize(("k", "columns"), [([5], 5), ([2, 7], 7), ([0], 10), ([0, 12], 12)])
def test_the_answer_is_as_wide_as_the_largest_k(world, recommend, k, columns):
    history = [world.ids[:2]] * len(k)
    answer = recommend(**tensors({contract.HISTORY_ITEM_IDS: history, contract.K: k}))
    assert answer[contract.ITEM_IDS].shape == answer[contract.SCORES].shape == (len(k), columns)
    for row, wanted in enumerate(k):
        count = wanted or world.params.default_k
        assert (answer[contract.ITEM_IDS][row, :count] != b"").numpy().all()
        assert (answer[contract.ITEM_IDS][row, count:] == b"").numpy().all()


def test_a_saved_model_holds_the_defaults(world, tmp_path):
    from tensorflow.python.saved_model import loader_impl

    module = world.built[contract.MODEL_EXACT].module
    names = (contract.SERVING_DEFAULT, contract.RECOMMEND, contract.SIMILAR, contract.RATE)
    tf.saved_model.save(module, str(tmp_path / "m"), {name: module.function(name) for name in names})
    (graph,) = loader_impl.parse_saved_model(str(tmp_path / "m")).meta_graphs
    for name in names:
        optional = {item.name: item for item in contract.SIGNATURES[name].inputs if not item.required}
        defaults = graph.signature_def[name].defaults
        assert set(defaults) == set(optional)
        for item in optional.values():
            value = tf.make_ndarray(defaults[item.name]).flat[0]
            expected = world.params.default_k if item.name == contract.K else item.neutral
            assert value == expected
