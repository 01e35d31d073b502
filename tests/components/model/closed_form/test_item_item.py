import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse

from components.model.closed_form import item_item
from components.model.history import History
from components.model.params import ModelParams

L2 = 4.0


def ease(x, l2):
    """Steck's closed form by inverting the items' Gram matrix."""
    p = np.linalg.inv(x.T @ x + l2 * np.eye(x.shape[1]))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0.0)
    return b


def without_diagonal(b):
    b = b.copy()
    np.fill_diagonal(b, 0.0)
    return b


def test_uncut_factors_are_ease():
    rng = np.random.default_rng(0)
    x = (rng.random((30, 12)) < 0.3).astype(np.float32)
    x[:, 11] = 0.0  # an item that nobody watched: 11 singular values hold all of the matrix
    got = item_item.fit_factors(sparse.csr_matrix(x), 11, L2)
    product = without_diagonal(got.history @ got.candidate.T)
    np.testing.assert_allclose(product, ease(x.astype(np.float64), L2), atol=1e-5)
    np.testing.assert_array_equal(got.candidate[11], 0.0)


def test_cut_factors_come_closer_with_every_rank():
    rng = np.random.default_rng(1)
    tastes = rng.random((60, 3)) @ rng.random((3, 25))
    x = (tastes > np.quantile(tastes, 0.7)).astype(np.float32)
    expected = ease(x.astype(np.float64), L2)
    errors = []
    for rank in (1, 2, 4, 8, 16, 24):
        got = item_item.fit_factors(sparse.csr_matrix(x), rank, L2)
        errors.append(np.linalg.norm(without_diagonal(got.history @ got.candidate.T) - expected))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.2 * errors[0]


def test_what_the_cut_leaves_out_of_the_diagonal_is_estimated_from_below():
    rng = np.random.default_rng(2)
    x = (rng.random((80, 30)) < rng.uniform(0.05, 0.5, 30)).astype(np.float32)
    gram = (x.T @ x).astype(np.float64)
    true = np.diag(np.linalg.solve(gram + L2 * np.eye(30), gram))
    got = item_item.fit_factors(sparse.csr_matrix(x), 5, L2)
    estimate = 1 - np.linalg.norm(got.history, axis=1) / np.linalg.norm(got.candidate, axis=1)
    cut_off = np.square(got.history).sum(axis=1)
    assert (cut_off + 0.05 < estimate).all() and (estimate <= true + 1e-5).all()


def test_the_same_events_give_the_same_factors():
    x = sparse.random(40, 30, 0.2, random_state=3, format="csr")
    first, second = (item_item.fit_factors(x, 8, L2) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_spread_is_the_standard_deviation_of_a_typical_users_scores():
    x = (np.random.default_rng(4).random((31, 20)) < 0.4).astype(np.float32)
    got = item_item.fit_factors(sparse.csr_matrix(x), 6, L2)
    queries = x @ got.history
    scores = queries / np.linalg.norm(queries, axis=1, keepdims=True) @ got.candidate.T
    assert got.spread == pytest.approx(np.median(scores.std(axis=1)), rel=1e-4)


@pytest.mark.parametrize("shape", [(1, 5), (3, 2), (2, 1)])
def test_few_users_or_items_leave_columns_empty(shape):
    got = item_item.fit_factors(sparse.csr_matrix(np.ones(shape, np.float32)), 7, L2)
    assert got.history.shape == got.candidate.shape == (shape[1], 7)
    kept = min(shape) - 1
    assert not got.history[:, kept:].any() and np.isfinite(got.candidate).all() and got.spread > 0


def test_no_events_at_all():
    got = item_item.fit_factors(sparse.csr_matrix((4, 5), dtype=np.float32), 3, L2)
    assert not got.history.any() and not got.candidate.any()


@pytest.fixture
def layer():
    rng = np.random.default_rng(5)
    params = ModelParams(embedding_dim=4, item_item_dim=4, item_item_weight=0.5, item_item_half_life=2.0)
    layer = item_item.ItemItem(6, params)
    factors = item_item.Factors(*rng.normal(size=(2, 6, 3)).astype(np.float32), 0.25)
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
