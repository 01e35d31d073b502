"""`recommend` and `recommend_exact` against plain NumPy."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from support.search_reference import TOLERANCE, same_ranking

import contract
from components.common.features import Features, FeatureSpec
from components.index.build import assemble
from components.index.params import IndexParams

GENRES = ["Action", "Comedy", "Drama", "Horror", "a genre that no item has"]


CASES = {
    "plain": {},
    "k": {"k": 25},
    "all": {"k": 100},
    "genre": {"genres": ["Horror"]},
    "genres": {"genres": ["Horror", "Comedy"], "k": 50},
    "unknown genre": {"genres": ["Telenovela"]},
    "known and unknown genre": {"genres": ["Telenovela", "Drama"]},
    "from": {"year_min": 2010},
    "until": {"year_max": 1960},
    "between": {"year_min": 1990, "year_max": 1991, "k": 40},
    "never": {"year_min": 2001, "year_max": 2000},
    "diverse": {"diversity": 0.5, "k": 20},
    "only diverse": {"diversity": 1.0, "k": 20},
    "all at once": {"genres": ["Action"], "year_min": 1980, "diversity": 0.3, "k": 15},
}


def test_a_graph_of_exact_search_is_there_once(world):
    for model, built in world.built.items():
        functions = built.module.functions()
        shared = functions[contract.RECOMMEND] is functions[contract.RECOMMEND_EXACT]
        assert shared == (built.info["search"]["kind"] == "exact"), model


@pytest.mark.parametrize("model", contract.MODELS)
@pytest.mark.parametrize("signature", [contract.RECOMMEND, contract.RECOMMEND_EXACT])
def test_equals_numpy_for_every_kind_of_filter(world, results, model, signature):
    # One batch of all cases: a row must not be changed by its neighbours.
    history = [world.ids[i : i + 1 + 7 * i] for i in range(len(CASES))]
    exclude = [world.ids[40 : 40 + 3 * i] for i in range(len(CASES))]
    cases = list(CASES.values())
    output = world.ask(
        model,
        signature,
        history_item_ids=history,
        exclude=exclude,
        genres=[case.get("genres", []) for case in cases],
        k=[case.get("k", 0) for case in cases],
        **{
            name: [case.get(name, 0) for case in cases]
            for name in (contract.YEAR_MIN, contract.YEAR_MAX, contract.DIVERSITY)
        },
    )
    widest = max(case.get("k", 0) or world.params.default_k for case in cases)
    assert output[contract.ITEM_IDS].shape == (len(cases), widest)
    queries = world.query(history_item_ids=history)
    exact = signature == contract.RECOMMEND_EXACT or model == contract.MODEL_EXACT
    overlap = []
    for row, case in enumerate(cases):
        wanted = world.reference.recommend(
            world.plain(),
            queries[row],
            {*history[row], *exclude[row]},
            case.get("k") or world.params.default_k,
            **{name: value for name, value in case.items() if name not in ("k", "genres")},
            genres=frozenset(case.get("genres", [])),
        )
        got = results(output, row)
        if exact:
            same_ranking(got, wanted)
            if "diversity" not in case:
                assert [item for item, _ in got] == [item for item, _ in wanted]
        else:
            assert len(got) == len(wanted)
            if wanted and "diversity" not in case:
                overlap.append(len({m for m, _ in got} & {m for m, _ in wanted}) / len(wanted))
    assert exact or np.mean(overlap) >= 0.95


def test_scann_finds_nearly_all_of_the_exact_top(world, results):
    history = [world.ids[3 * i : 3 * i + 5] for i in range(60)]
    fast = world.ask(contract.MODEL, contract.RECOMMEND, history_item_ids=history)
    exact = world.ask(contract.MODEL, contract.RECOMMEND_EXACT, history_item_ids=history)
    found = [
        len({m for m, _ in results(fast, row)} & {m for m, _ in results(exact, row)}) for row in range(60)
    ]
    assert np.mean(found) / world.params.default_k >= 0.98
    assert world.built[contract.MODEL].info["search"]["kind"] == "scann"


def test_recommend_and_exact_agree_where_almost_everything_was_seen(make_world, results):
    """Asking for more than ScaNN can reach falls back to exact search, to the last item."""
    world = make_world(2000)
    history = [world.ids[:1990], world.ids[5:]]
    for signature in (contract.RECOMMEND, contract.RECOMMEND_EXACT):
        output = world.ask(contract.MODEL, signature, history_item_ids=history, k=[100, 100])
        assert {item for item, _ in results(output, 0)} == set(world.ids[1990:])
        assert {item for item, _ in results(output, 1)} == set(world.ids[:5])


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 100])
def test_small_catalogues(make_world, results, count):
    world = make_world(count, users=3, exact_below=16)
    scann = world.built[contract.MODEL].info["search"]["kind"] == "scann"
    assert scann == (count >= 16)
    # With a date, or nothing at all would be said where there is no history.
    history, now = [[], world.ids[:1], world.ids[: count - 1], world.ids], [1] * 4
    output = world.ask_eagerly(
        contract.MODEL, contract.RECOMMEND, history_item_ids=history, now=now, k=[100, 0, 5, 7]
    )
    queries = world.query(history_item_ids=history, now=now)
    for row, k in enumerate((100, 10, 5, 7)):
        wanted = world.reference.recommend(world.plain(), queries[row], set(history[row]), k)
        got = results(output, row)
        assert [item for item, _ in got] == [item for item, _ in wanted]
    assert results(output, 3) == []
    nothing = world.ask_eagerly(contract.MODEL, contract.SIMILAR, item_id=["no such item"])
    assert results(nothing) == []
    alike = world.ask_eagerly(contract.MODEL, contract.SIMILAR, item_id=[world.ids[-1]])
    assert {item for item, _ in results(alike)} <= set(world.ids[:-1])
    assert len(results(alike)) == min(10, count - 1)


def test_ties_go_to_the_lower_row(make_world, fake, tmp_path, results):
    """Also across the blocks of exact search: 1,200 items are two of the smallest."""
    items = fake.make_items(1200)
    vectors = np.tile(np.eye(6), (200, 1))
    towers = fake.FakeTowers(items[contract.ITEM_ID].to_pylist(), vectors, tmp_path / "items.txt")
    params = IndexParams(block_scores=1024)
    built = assemble(towers, items, fake.make_timelines(items, 2), params, [contract.MODEL_EXACT])
    catalogue = built[contract.MODEL_EXACT].catalogue
    asked = {"item_id": tf.constant(catalogue.ids[:1]), "k": tf.constant([100])}
    output = built[contract.MODEL_EXACT].module.similar(asked)
    got = results({name: value.numpy() for name, value in output.items()})
    twins = _rows_like_the_first(catalogue, items, vectors)
    assert [item for item, _ in got] == [catalogue.ids[row].decode() for row in twins[1:101]]


def _rows_like_the_first(catalogue, items, vectors):
    position = {item: row for row, item in enumerate(items[contract.ITEM_ID].to_pylist())}
    in_order = vectors[[position[item.decode()] for item in catalogue.ids]]
    return np.nonzero((in_order == in_order[0]).all(axis=1))[0]


def test_a_diverse_row_chooses_from_its_own_pool_whatever_else_is_asked(make_world, results):
    world = make_world(2000, diversity_pool=20)
    history = [world.ids[:3], world.ids[5:8]]
    output = world.ask_eagerly(
        contract.MODEL_EXACT,
        contract.RECOMMEND,
        history_item_ids=history,
        k=[10, 100],
        diversity=[0.7, 0.0],
    )
    query = world.query(history_item_ids=history)[0]
    wanted = world.reference.recommend(world.plain(), query, set(history[0]), 10, diversity=0.7, pool=20)
    same_ranking(results(output, 0), wanted)
    assert [item for item, _ in results(output, 0)] == [item for item, _ in wanted]


def test_unknown_repeated_and_padded_history_change_nothing(world, results):
    plain = world.ids[10:13]
    history = [plain, [*plain, "no such item"], ["", *plain, ""], [*plain, plain[0], plain[0]]]
    output = world.ask(contract.MODEL_EXACT, contract.RECOMMEND, history_item_ids=history)
    for row in range(1, len(history)):
        assert [item for item, _ in results(output, row)] == [item for item, _ in results(output, 0)]


ALIKE = {"unknown": ["no such item"], "nothing": [], "padding": ["", ""]}


@pytest.mark.parametrize("model", contract.MODELS)
@pytest.mark.parametrize("signature", [contract.RECOMMEND, contract.RECOMMEND_EXACT])
def test_an_empty_query_gets_the_popular_list_that_meets_its_filters(world, results, model, signature):
    """Each beside a row with a history, in one batch: neither may change the other."""
    cases = [case for case in CASES.values() for _ in range(2)]
    histories = [(list(ALIKE.values())[i % 3], world.ids[i : i + 3]) for i in range(len(CASES))]
    history = [ids for pair in histories for ids in pair]
    exclude = [world.ids[2 * i : 5 * i] for i in range(len(cases))]
    output = world.ask(
        model,
        signature,
        history_item_ids=history,
        exclude=exclude,
        user_id=["u0"] * len(cases),
        taste_genres=[["Action"]] * len(cases),
        taste_weights=[[0.0]] * len(cases),
        genres=[case.get("genres", []) for case in cases],
        **{
            name: [case.get(name, 0) for case in cases]
            for name in (contract.K, contract.YEAR_MIN, contract.YEAR_MAX, contract.DIVERSITY)
        },
    )
    queries = world.query(history_item_ids=history)
    for row, case in enumerate(cases):
        k, filters = case.get("k") or world.params.default_k, {**case}
        filters.pop("k", None)
        filters["genres"] = set(case.get("genres", ()))
        got = results(output, row)
        if row % 2 == 0:
            wanted = world.reference.popular(world.plain(), world.shares, set(exclude[row]), k, **filters)
            assert [item for item, _ in got] == [item for item, _ in wanted]
            np.testing.assert_allclose([s for _, s in got], [s for _, s in wanted], rtol=1e-5)
        elif model == contract.MODEL_EXACT:
            seen = {*history[row], *exclude[row]}
            same_ranking(got, world.reference.recommend(world.plain(), queries[row], seen, k, **filters))


def test_whoever_says_anything_is_searched_for(world, results):
    """A taste or a date is a query, and what a model answers to it is not the popular list."""
    nothing = {"history_item_ids": [[]], "k": [20]}
    popular = results(world.ask(contract.MODEL_EXACT, contract.RECOMMEND, **nothing))
    assert [item for item, _ in popular] == world.ids[:20]
    for said in (
        {"now": [1_700_000_000]},
        {"taste_genres": [["Drama"]], "taste_weights": [[1.0]]},
    ):
        got = results(world.ask(contract.MODEL_EXACT, contract.RECOMMEND, **nothing, **said))
        query = world.query(history_item_ids=[[]], **said)[0]
        same_ranking(got, world.reference.recommend(world.plain(), query, set(), 20))


def test_a_user_id_is_a_query_where_users_have_columns(world, results):
    of_users = Features(user=(FeatureSpec(name="age", kind="number"),))
    built = assemble(
        world.towers, world.items, world.timelines, world.params, [contract.MODEL_EXACT], of_users
    )
    with_columns = dataclasses.replace(world, built=built, functions={})
    output = with_columns.ask_eagerly(
        contract.MODEL_EXACT, contract.RECOMMEND, user_id=["u0", ""], k=[20, 20]
    )
    query = world.query(history_item_ids=[[]])[0]
    same_ranking(results(output, 0), world.reference.recommend(world.plain(), query, set(), 20))
    assert [item for item, _ in results(output, 1)] == world.ids[:20]


def test_the_popular_list_is_walked_to_its_end_where_filters_are_strict(make_world, results):
    """9,000 items are three blocks; a single one of the last meets the filters."""
    world = make_world(9000, users=3, exact_below=10_000)
    items = world.plain()
    year = next(y for y in reversed(items.years) if y)
    genres = sorted(next(g for g, y in zip(items.genres[::-1], items.years[::-1], strict=True) if y == year))
    asked = {"history_item_ids": [[], []], "k": [100, 3], "year_min": [year, 0], "year_max": [year, 0]}
    output = world.ask_eagerly(contract.MODEL_EXACT, contract.RECOMMEND, genres=[genres, []], **asked)
    wanted = world.reference.popular(
        items, world.shares, set(), 100, genres=set(genres), year_min=year, year_max=year
    )
    assert results(output, 0) == [(item, pytest.approx(share)) for item, share in wanted]
    assert world.ids.index(wanted[-1][0]) > 4096
    assert [item for item, _ in results(output, 1)] == world.ids[:3]


def test_serving_default_is_recommend_with_neutral_inputs(world, results):
    history = [world.ids[:4], world.ids[7:8]]
    for model in contract.MODELS:
        default = world.ask(model, contract.SERVING_DEFAULT, history_item_ids=history)
        assert default[contract.ITEM_IDS].shape == (2, world.params.default_k)
        full = world.ask(model, contract.RECOMMEND, history_item_ids=history)
        for row in range(2):
            assert [m for m, _ in results(default, row)] == [m for m, _ in results(full, row)]


def test_nothing_in_nothing_out(world):
    for model in contract.MODELS:
        for name in (contract.RECOMMEND, contract.SIMILAR, contract.RECOMMEND_USER, contract.EXPLAIN):
            inputs = {
                item.name: tf.zeros([0] if item.columns is None else [0, 3], tf.dtypes.as_dtype(item.dtype))
                for item in contract.SIGNATURES[name].inputs
            }
            outputs = getattr(world.built[model].module, name)(inputs)
            assert all(value.shape[0] == 0 for value in outputs.values()), name


def test_exact_search_in_blocks_equals_one_block(make_world):
    one, many = make_world(2000), make_world(2000, block_scores=1024, exact_below=3000)
    history = [one.ids[i : i + 4] for i in range(8)]
    inputs = {"history_item_ids": history, "k": [100] * 8, "year_min": [1960] * 8}
    a = one.ask_eagerly(contract.MODEL_EXACT, contract.RECOMMEND, **inputs)
    b = many.ask_eagerly(contract.MODEL_EXACT, contract.RECOMMEND, **inputs)
    np.testing.assert_allclose(a[contract.SCORES], b[contract.SCORES], atol=TOLERANCE)
    assert (a[contract.ITEM_IDS] == b[contract.ITEM_IDS]).mean() > 0.99


@st.composite
def requests(draw):
    def places(most):
        return draw(st.lists(st.integers(0, 1999), max_size=most))

    return {
        "history": places(40),
        "exclude": places(30),
        "genres": draw(st.sets(st.sampled_from(GENRES), max_size=3)),
        "year_min": draw(st.sampled_from([0, 1950, 1999, 2019])),
        "year_max": draw(st.sampled_from([0, 1951, 1999, 2030])),
        "k": draw(st.integers(0, 100)),
        "diversity": draw(st.sampled_from([0.0, 0.0, 0.2, 1.0])),
    }


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
)
@given(st.lists(requests(), min_size=1, max_size=4), st.sampled_from(contract.MODELS))
def test_what_holds_for_every_request(world, results, asked, model):
    ids = world.ids
    history = [[ids[place] for place in request["history"]] for request in asked]
    exclude = [[ids[place] for place in request["exclude"]] for request in asked]
    output = world.ask(
        model,
        contract.RECOMMEND,
        history_item_ids=history,
        exclude=exclude,
        genres=[sorted(request["genres"]) for request in asked],
        **{name: [request[name] for request in asked] for name in ("year_min", "year_max", "k", "diversity")},
    )
    items, shares = world.plain(), world.shares
    row_of = {item: row for row, item in enumerate(ids)}
    queries = world.query(history_item_ids=history)
    for row, request in enumerate(asked):
        got = results(output, row)
        found = [item for item, _ in got]
        k = request["k"] or world.params.default_k
        assert len(found) <= k
        assert len(set(found)) == len(found)
        assert not set(found) & {*history[row], *exclude[row]}
        for item, score in got:
            place = row_of[item]
            expected = items.vectors[place] @ queries[row] if history[row] else shares[place]
            assert abs(score - expected) < 1e-4
            assert not request["genres"] or request["genres"] & items.genres[place]
            assert not request["year_min"] or items.years[place] >= request["year_min"]
            assert not request["year_max"] or 0 < items.years[place] <= request["year_max"]
        if request["diversity"] == 0:
            assert all(a[1] >= b[1] for a, b in itertools.pairwise(got))
        everything = world.reference.recommend(
            items,
            queries[row],
            {*history[row], *exclude[row]},
            k,
            **{name: request[name] for name in ("genres", "year_min", "year_max")},
        )
        assert len(found) == len(everything)
