"""Candidates, boosts, counts of a value and refused values of `recommend`, against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from support.search_reference import TOLERANCE, same_ranking

import contract
from components.index.search.approximate import ScannIndex

GENRES = ["Action", "Comedy", "Drama", "Horror", "a genre that no item has"]


@st.composite
def requests(draw):
    """Of 2,000 items by their rows; most wishes are left out of most requests."""

    def places(most):
        return draw(st.lists(st.integers(0, 1999), max_size=most))

    def sometimes(strategy, otherwise):
        return draw(st.one_of(st.just(otherwise), st.just(otherwise), strategy))

    def amounts():
        return st.dictionaries(st.integers(0, 1999), st.integers(-8, 8).map(lambda n: n / 4), max_size=20)

    return {
        "history": places(10),
        "exclude": places(10),
        "k": draw(st.integers(0, 60)),
        "genres": sometimes(st.sets(st.sampled_from(GENRES), max_size=2), set()),
        "not_genres": sometimes(st.sets(st.sampled_from(GENRES), max_size=2), set()),
        "year_min": sometimes(st.sampled_from([1950, 1999, 2018]), 0),
        "candidates": sometimes(st.lists(st.integers(0, 1999), min_size=1, max_size=80), None),
        "boosts": sometimes(amounts(), {}),
        "per_genre": sometimes(st.integers(1, 30), 0),
        "diversity": sometimes(st.just(0.5), 0.0),
    }


def inputs(ids, asked):
    """The batch as `recommend` takes it, with ids that no item has where they change nothing."""
    return {
        "history_item_ids": [[ids[place] for place in row["history"]] for row in asked],
        "exclude": [[ids[place] for place in row["exclude"]] for row in asked],
        "k": [row["k"] for row in asked],
        "genres": [sorted(row["genres"]) for row in asked],
        "where": [[f"genres!={genre}" for genre in sorted(row["not_genres"])] for row in asked],
        "year_min": [row["year_min"] for row in asked],
        "candidates": [
            [] if row["candidates"] is None else [*(ids[place] for place in row["candidates"]), "no item"]
            for row in asked
        ],
        "boost_item_ids": [[*(ids[place] for place in row["boosts"]), "no item"] for row in asked],
        "boosts": [[*row["boosts"].values(), 1.0] for row in asked],
        "at_most": [[f"genres={row['per_genre']}"] if row["per_genre"] else [] for row in asked],
        "diversity": [row["diversity"] for row in asked],
    }


def expected(world, row, query):
    ids = world.ids
    seen = {ids[place] for place in [*row["history"], *row["exclude"]]}
    wishes = {name: row[name] for name in ("year_min", "per_genre", "diversity")}
    wishes |= {name: frozenset(row[name]) for name in ("genres", "not_genres")}
    wishes["boosts"] = {ids[place]: amount for place, amount in row["boosts"].items()}
    if row["candidates"] is not None:
        wishes["candidates"] = frozenset(ids[place] for place in row["candidates"])
    k = row["k"] or world.params.default_k
    if row["history"]:
        return world.reference.recommend(world.plain(), query, seen, k, **wishes)
    return world.reference.popular(world.plain(), world.shares, seen, k, **wishes)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(requests(), min_size=1, max_size=4))
def test_exact_search_answers_what_numpy_computes_over_all_items(world, results, asked):
    given_ = inputs(world.ids, asked)
    output = world.ask(contract.MODEL_EXACT, contract.RECOMMEND, **given_)
    queries = world.query(history_item_ids=given_["history_item_ids"])
    for place, row in enumerate(asked):
        same_ranking(results(output, place), expected(world, row, queries[place]))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(requests(), min_size=1, max_size=4))
def test_approximate_search_keeps_to_every_wish(world, results, asked):
    """Its items are right whatever it overlooks, and named or few ones it looks at one by one."""
    given_ = inputs(world.ids, asked)
    output = world.ask(contract.MODEL, contract.RECOMMEND, **given_)
    queries = world.query(history_item_ids=given_["history_item_ids"])
    items = world.plain()
    row_of = {item: row for row, item in enumerate(world.ids)}
    for place, row in enumerate(asked):
        got, wanted = results(output, place), expected(world, row, queries[place])
        assert len(got) == len(wanted)
        boosts = {world.ids[at]: amount for at, amount in row["boosts"].items()}
        for item, score in got:
            at = row_of[item]
            base, scale = (
                (items.vectors[at] @ queries[place], 1.0)
                if row["history"]
                else (world.shares[at], world.shares[0])
            )
            assert abs(score - base - scale * boosts.get(item, 0.0)) < 1e-4
            assert not row["genres"] or row["genres"] & items.genres[at]
            assert not row["not_genres"] & items.genres[at]
            assert items.years[at] >= row["year_min"]
        for genre in GENRES if row["per_genre"] else ():
            assert sum(genre in items.genres[row_of[item]] for item, _ in got) <= row["per_genre"]
        if row["candidates"] is not None and not row["diversity"]:
            assert {item for item, _ in got} <= {world.ids[at] for at in row["candidates"]}
            np.testing.assert_allclose([s for _, s in got], [s for _, s in wanted], atol=TOLERANCE)


def test_a_count_that_the_first_pool_does_not_fill_is_chosen_among_all(make_world, results):
    """500 of 1,600 such items are ranked first, and only the two best of them may be taken."""
    world = make_world(2000, at_most_pool=5)
    history = [world.ids[:3], []]
    output = world.ask_eagerly(
        contract.MODEL_EXACT,
        contract.RECOMMEND,
        history_item_ids=history,
        k=[40, 40],
        at_most=[["genres=3"], ["Genres = 3", "genres=7"]],
    )
    query = world.query(history_item_ids=history)[0]
    wanted = world.reference.recommend(world.plain(), query, set(history[0]), 40, per_genre=3)
    assert [item for item, _ in results(output, 0)] == [item for item, _ in wanted]
    wanted = world.reference.popular(world.plain(), world.shares, set(), 40, per_genre=3)
    assert [item for item, _ in results(output, 1)] == [item for item, _ in wanted]


def test_one_search_finds_the_pool_of_a_count(world, monkeypatch):
    asked, search = [], ScannIndex.__call__

    def counted(index, queries, neighbours):
        asked.append(neighbours)
        return search(index, queries, neighbours)

    monkeypatch.setattr(ScannIndex, "__call__", counted)
    history = [world.ids[:2]]
    tf.config.run_functions_eagerly(True)
    try:
        world.ask_eagerly(
            contract.MODEL, contract.RECOMMEND, history_item_ids=history, at_most=[["genres=3"]]
        )
    finally:
        tf.config.run_functions_eagerly(False)
    assert len(asked) == 1 and asked[0] >= world.params.at_most_pool


def test_of_an_id_that_stands_twice_the_first_boost_counts(world, results):
    """As where a server pads a batch with a row's first element."""
    rows = {"history_item_ids": [world.ids[:3]] * 2, "k": [3, 3]}
    last = world.ids[-1]
    output = world.ask(
        contract.MODEL_EXACT,
        contract.RECOMMEND,
        **rows,
        boost_item_ids=[[last], [last, last, world.ids[7]]],
        boosts=[[2.0], [2.0, -2.0, 0.0]],
    )
    assert results(output, 0) == results(output, 1)
    assert results(output, 0)[0][0] == last


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"at_most": [["brand=3"]]},
            "at_most: expected COLUMN=COUNT, a count from 1 on, of genres, got.*brand=3",
        ),
        ({"at_most": [["genres=0"]]}, "got.*genres=0"),
        ({"at_most": [["year=2"]]}, "got.*year=2"),
        ({"at_most": [["genres"]]}, "got.*genres"),
        ({"where": [["genres!Horror"]]}, "COLUMN!=VALUE for genres and .*got.*genres!Horror"),
    ],
)
def test_what_says_nothing_of_a_column_is_refused(world, wrong, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"(?s){message}"):
        world.ask(contract.MODEL_EXACT, contract.RECOMMEND, history_item_ids=[world.ids[:3]], **wrong)
