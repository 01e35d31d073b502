"""The signatures beside `recommend`."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import tensorflow as tf

import contract
from components.example_gen.records.schemas import TIMELINES
from components.example_gen.records.write import encode


def _users(world):
    """What is known of each user: the last split wins."""
    known = {}
    for split in contract.SPLITS:
        for row in world.timelines[split].to_pylist():
            known[row[contract.USER_ID]] = row
    return known


def test_recommend_user_is_recommend_with_the_known_history(world, results):
    users = _users(world)
    names = [*users, "nobody"]
    got = world.ask(contract.MODEL, contract.RECOMMEND_USER, user_id=names, k=[20] * len(names))
    rows = [users[name] for name in users]
    wanted = world.ask(
        contract.MODEL,
        contract.RECOMMEND,
        user_id=list(users),
        **{name: [row[name] for row in rows] for name in contract.HISTORY_FEATURES},
        k=[20] * len(rows),
    )
    for place in range(len(rows)):
        assert [m for m, _ in results(got, place)] == [m for m, _ in results(wanted, place)]
    popular = results(got, len(rows))
    assert [item for item, _ in popular] == world.ids[:20]
    assert all(a[1] >= b[1] > 0 for a, b in itertools.pairwise(popular))


def test_without_a_table_of_users_everyone_gets_the_popular_list(make_world, results):
    world = make_world(100, users=4, max_known_users=3)
    got = world.ask_eagerly(contract.MODEL, contract.RECOMMEND_USER, user_id=["u0", "nobody"])
    assert [m for m, _ in results(got, 0)] == [m for m, _ in results(got, 1)] == world.ids[:10]
    assert world.built[contract.MODEL].info["known_users"] == 0


def test_similar_is_the_nearest_vectors_without_the_item_itself(world, results):
    items = world.plain()
    asked = [world.ids[3], "no such item", world.ids[1500]]
    exact = world.ask(contract.MODEL_EXACT, contract.SIMILAR, item_id=asked, k=[15, 15, 0])
    scann = world.ask(contract.MODEL, contract.SIMILAR, item_id=asked, k=[15, 15, 0])
    for row, count in ((0, 15), (2, 10)):
        query = items.vectors[world.ids.index(asked[row])]
        wanted = world.reference.recommend(items, query, {asked[row]}, count)
        assert [m for m, _ in results(exact, row)] == [m for m, _ in wanted]
        assert len({m for m, _ in results(scann, row)} & {m for m, _ in wanted}) >= count - 2
        assert asked[row] not in {m for m, _ in results(scann, row)}
    assert results(exact, 1) == results(scann, 1) == []


def test_rate_and_embeddings_are_the_towers_own(world):
    history, asked = [world.ids[:3], []], [[world.ids[9], "no such item", ""], [world.ids[0]]]
    stars = world.ask(contract.MODEL, contract.RATE, history_item_ids=history, item_ids=asked)
    rated = stars[contract.RATINGS]
    assert (rated[0] > 0).tolist() == [True, False, False] and rated[1][1] == 0.0
    query = world.ask(contract.MODEL, contract.EMBED_QUERY, history_item_ids=history)[contract.EMBEDDING]
    np.testing.assert_allclose(query, world.query(history_item_ids=history), rtol=1e-6)
    item = world.ask(contract.MODEL, contract.EMBED_ITEM, item_id=[world.ids[9]])[contract.EMBEDDING]
    np.testing.assert_allclose(item[0], world.plain().vectors[9], rtol=1e-5)
    np.testing.assert_allclose(rated[0, 0], 2.75 + 2.25 * (query[0] @ item[0]), rtol=1e-5)


def test_explain_is_exact_leave_one_out(world):
    history = [[*world.ids[20:28], "no such item", world.ids[21]], [world.ids[5]], []]
    asked = [[world.ids[100], "no such item", world.ids[300]], [world.ids[7]], [world.ids[8]]]
    ratings = [[1.0, 5.0, 3.0, 4.0, 4.5, 2.0, 0.5, 5.0, 3.0, 5.0], [4.0], []]
    output = world.ask(
        contract.MODEL, contract.EXPLAIN, history_item_ids=history, history_ratings=ratings, item_ids=asked
    )
    names, weights = output[contract.HISTORY_ITEM_IDS], output[contract.WEIGHTS]
    assert names.shape == weights.shape == (3, 3, contract.EXPLAIN_WIDTH)
    vectors = dict(zip(world.ids, world.plain().vectors, strict=True))

    def score(ids, stars, item):
        query = world.query(history_item_ids=[ids], history_ratings=[stars])[0]
        return query @ vectors[item]

    for place in (0, 2):
        item, whole = asked[0][place], score(history[0], ratings[0], asked[0][place])
        left_out = {}
        for other in set(history[0]) - {"no such item"}:
            kept = [i for i, event in enumerate(history[0]) if event != other]
            without = score([history[0][i] for i in kept], [ratings[0][i] for i in kept], item)
            left_out[other] = whole - without
        wanted = sorted(left_out, key=left_out.get, reverse=True)[: contract.EXPLAIN_WIDTH]
        assert [name.decode() for name in names[0, place]] == wanted
        np.testing.assert_allclose(weights[0, place], [left_out[m] for m in wanted], atol=1e-5)
    assert (names[0, 1] == b"").all() and (weights[0, 1] == 0).all()
    assert names[1, 0].tolist() == [world.ids[5].encode(), *[b""] * (contract.EXPLAIN_WIDTH - 1)]
    assert (names[2] == b"").all() and (weights[2] == 0).all()


def test_evaluate_answers_timelines(world, results):
    test = world.timelines[contract.TEST].to_pylist()
    # Longer than any request may be, with an item nobody knows among its targets.
    long = {
        **test[0],
        contract.HISTORY_ITEM_IDS: world.ids[:1950],
        contract.HISTORY_RATINGS: [4.0] * 1950,
        contract.HISTORY_TIMESTAMPS: list(range(1950)),
        contract.TARGET_ITEM_IDS: [world.ids[-1], "no such item"],
        contract.TARGET_RATINGS: [5.0, 1.0],
        contract.TARGET_TIMESTAMPS: [1, 2],
    }
    rows = [*test, long, {**test[0], contract.TARGET_ITEM_IDS: [], contract.TARGET_RATINGS: []}]
    examples = tf.constant(encode(pa.Table.from_pylist(rows, TIMELINES)))
    function = world.built[contract.MODEL].module.function(contract.EVALUATE)
    output = {name: value.numpy() for name, value in function(examples=examples).items()}
    width, counts = (
        contract.EVALUATE_K,
        dict(zip(world.ids, world.built[contract.MODEL].catalogue.rating_counts, strict=True)),
    )
    total = sum(count + 1 for count in counts.values())
    longest = max(len(row[contract.TARGET_ITEM_IDS]) for row in rows)
    served = world.ask(
        contract.MODEL,
        contract.RECOMMEND_EXACT,
        user_id=[row[contract.USER_ID] for row in test],
        k=[100] * len(test),
        **{name: [row[name] for row in test] for name in contract.HISTORY_FEATURES},
    )
    for place, row in enumerate(rows):
        history, targets = set(row[contract.HISTORY_ITEM_IDS]), row[contract.TARGET_ITEM_IDS]
        found = results(output, place)
        exact = [item.decode() for item in output[contract.EXACT_ITEM_IDS][place] if item]
        popular = [item.decode() for item in output[contract.POPULAR_ITEM_IDS][place] if item]
        assert not {item for item, _ in found} & history and not set(exact) & history
        assert len(found) == len(exact) == min(width, 2000 - len(history))
        assert popular == [item for item in world.ids if item not in history][:width]
        if place < len(test):
            assert exact == [item for item, _ in results(served, place)]
        novelty = output[contract.ITEM_NOVELTY][place]
        for (item, _), value in zip(found, novelty, strict=False):
            assert math.isclose(value, -math.log2((counts[item] + 1) / total), rel_tol=1e-4)
        assert np.isnan(novelty[len(found) :]).all()
        n = len(targets)
        assert [m.decode() for m in output[contract.TARGET_ITEM_IDS][place]] == targets + [""] * (longest - n)
        assert output[contract.TARGET_RATINGS][place][:n].tolist() == row[contract.TARGET_RATINGS]
        cold = [float(counts.get(item, 0) == 0) for item in targets]
        assert output[contract.TARGET_COLD][place][:n].tolist() == cold
        for name in (contract.TARGET_RATINGS, contract.TARGET_COLD, contract.PREDICTED_RATINGS):
            assert np.isnan(output[name][place][n:]).all() and np.isfinite(output[name][place][:n]).all()
    assert (output[contract.CATALOGUE_SIZE] == 2000).all()


def test_many_genres(fake):
    from components.index.carried.catalogue import from_items
    from components.index.conditions.conditions import Conditions

    items = fake.make_items(70)
    genres = [[f"genre {i}", f"genre {(i * 7) % 70}"] for i in range(70)]
    place = items.column_names.index(contract.GENRES)
    items = items.set_column(place, contract.GENRES, pa.array(genres, pa.large_list(pa.large_string())))
    catalogue = from_items(items)
    conditions = Conditions(catalogue.table)
    asked = [["genre 31"], ["genre 32", "genre 63"], ["genre 69", "unknown"], ["unknown"], [""]]
    none = tf.fill([len(asked), 0], "")
    wanted = conditions.ask(none, tf.ragged.constant(asked).to_tensor(""))
    block = conditions.allow_block(wanted, tf.constant(0), tf.constant(70)).numpy()
    rows = conditions.allow_rows(wanted, tf.tile(tf.range(70)[tf.newaxis], [len(asked), 1])).numpy()
    assert (block == rows).all()
    for row, names in enumerate(asked):
        for item, own in enumerate(catalogue.table[contract.GENRES].to_pylist()):
            assert block[row, item] == (names == [""] or bool(set(names) & set(own)))
