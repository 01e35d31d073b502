import numpy as np
import pytest
import tensorflow as tf

from components.model.closed_form import ease, item_item
from components.model.history import History
from components.model.params import ModelParams


@pytest.fixture
def layer():
    rng = np.random.default_rng(5)
    params = ModelParams(embedding_dim=4, item_item_dim=4, item_item_weight=0.5, item_item_half_life=2.0)
    layer = item_item.ItemItem(6, params)
    factors = ease.Factors(*rng.normal(size=(2, 6, 3)).astype(np.float32), 0.25)
    layer.assign(factors)
    return layer, factors


def units(count, seed):
    x = np.random.default_rng(seed).normal(size=(count, 4))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def history(rows, stars):
    ratings = tf.constant(stars, tf.float32)
    rows = tf.constant(rows, tf.int32)
    return History(rows, ratings, tf.zeros_like(rows, tf.int64), ratings > 0)


def test_scores_equal_a_naive_sum(layer):
    layer, factors = layer
    rows, stars = [[0, 4, 1], [0, 0, 6]], [[0.0, 5.0, 2.0], [0.0, 0.0, 4.0]]
    seen = history(rows, stars)
    query, items = units(2, 6), units(7, 7)
    queries = layer.query(tf.constant(query), seen, seen.rows).numpy()
    got = queries @ layer.candidate(tf.constant(items), tf.range(7)).numpy().T
    for b in range(2):
        total = np.zeros(3)
        for age, (row, star) in enumerate(zip(rows[b][::-1], stars[b][::-1], strict=True)):
            if star and row < 6:
                weight = 2 ** (-age / 2.0) * np.log1p(np.exp((star - 2.75) / 2.25))
                total += weight * factors.history[row]
        unit = total / np.linalg.norm(total) if total.any() else total
        for m in range(7):
            part = 0.5 / 0.25 * unit @ factors.candidate[m] if m < 6 else 0.0  # 6 has no row of its own
            assert got[b, m] == pytest.approx(query[b] @ items[m] + part, abs=1e-4)


def test_candidates_are_unit_vectors_whose_neighbours_are_mostly_the_towers(layer):
    layer, _ = layer
    items = units(7, 8)
    vectors = layer.candidate(tf.constant(items), tf.range(7)).numpy()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-6)
    assert np.abs(vectors @ vectors.T - items @ items.T).max() < 0.2
