"""Every limit answers INVALID_ARGUMENT and says which one it was."""

from __future__ import annotations

import pytest
import tensorflow as tf

import contract


@pytest.fixture(scope="module")
def small(make_world):
    limits = {"max_history": 5, "max_exclude": 3, "max_attributes": 2, "max_genres": 2, "max_items": 4}
    limits |= {"max_candidates": 3, "max_boosts": 2, "max_boost": 0.5}
    return make_world(100, users=3, max_k=20, **limits)


NAN = float("nan")
REFUSED = [
    ({"k": [21]}, "max_k = 20, got.*21"),
    ({"k": [-1]}, "k must be between 0 .* got.*-1"),
    ({"history_item_ids": [["1"] * 6]}, "max_history = 5 history events in a row, got.*6"),
    ({"exclude": [["1"] * 4]}, "max_exclude = 3 excluded items in a row, got.*4"),
    ({"genres": [["a", "b", "c"]]}, "max_genres = 2 genres to filter by in a row, got.*3"),
    ({"candidates": [["1"] * 4]}, "max_candidates = 3 candidates in a row, got.*4"),
    ({"where": [["a=1"] * 3]}, "max_genres = 2 conditions in a row, got.*3"),
    ({"at_most": [["genres=1"] * 3]}, "max_genres = 2 counts in a row, got.*3"),
    ({"boost_item_ids": [["1"] * 3], "boosts": [[0.1] * 3]}, "max_boosts = 2 boosted items in a row, got.*3"),
    (
        {"boost_item_ids": [["1"]], "boosts": [[0.6]]},
        "boosts must be between -0.5 and 0.5, got.*0.6",
    ),
    ({"boost_item_ids": [["1"]], "boosts": [[NAN]]}, "boosts must be between -0.5 and"),
    ({"boost_item_ids": [["1", "2"]], "boosts": [[0.1]]}, "boosts need the same shape, got.*1 2.*1 1"),
    ({"taste_genres": [["a"] * 3], "taste_weights": [[1.0] * 3]}, "max_genres = 2 taste genres"),
    ({"taste_genres": [["a"]], "taste_weights": [[-1.0]]}, "taste_weights must be finite and not negative"),
    ({"taste_genres": [["a", "b"]], "taste_weights": [[1.0]]}, "need the same shape, got.*1 2.*1 1"),
    ({"history_item_ids": [["1", "2"]], "history_ratings": [[4.0]]}, "history_ratings need the same shape"),
    (
        {"history_item_ids": [["1", "2"]], "history_timestamps": [[4, 5, 6]]},
        "history_timestamps need the same shape",
    ),
    *(
        (
            {"history_item_ids": [["1"]], "history_ratings": [[rating]]},
            "history_ratings must be 0 .unknown. or from 0.5 to 5, got.*; map another scale",
        )
        for rating in (NAN, float("inf"), -1.0, 0.4, 5.5, 8.0)
    ),
    ({"diversity": [1.5]}, "diversity must be between 0 and 1, got.*1.5"),
    ({"diversity": [NAN]}, "diversity must be between 0 and 1"),
    ({"year_min": [-1]}, "year_min must be not negative"),
    ({"k": [1, 2], "year_min": [1990]}, "same number of rows"),
]


@pytest.mark.parametrize(("inputs", "message"), REFUSED)
def test_a_request_beyond_a_limit_is_refused(small, inputs, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        small.ask(contract.MODEL, contract.RECOMMEND, **inputs)


def test_too_many_items_to_rate_are_refused(small):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"max_items = 4 items .* got.*5"):
        small.ask(contract.MODEL, contract.RATE, item_ids=[["1"] * 5])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"attributes": [["year=1"] * 3]}, "max_attributes = 2 attributes in a row, got.*3"),
        ({"rating_count": [-5]}, "rating_count must be not negative, got.*-5"),
    ],
)
def test_an_item_beyond_a_limit_is_refused(small, inputs, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        small.ask(contract.MODEL, contract.EMBED_ITEM, item_id=["new"], **inputs)


def test_padding_is_not_counted(small, results):
    output = small.ask(
        contract.MODEL,
        contract.RECOMMEND,
        history_item_ids=[["", "", "", "", "", "", small.ids[0]]],
        exclude=[["", "", "", "", small.ids[1]]],
        k=[20],
    )
    assert not {item for item, _ in results(output)} & set(small.ids[:2])
