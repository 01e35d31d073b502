"""EASE of low rank against the inverse of the items' Gram matrix."""

import numpy as np
import pytest
from scipy import sparse

from components.model.closed_form.ease import fit_factors

L2 = 4.0


def inverted(x, l2):
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
    got = fit_factors(sparse.csr_matrix(x), 11, L2)
    product = without_diagonal(got.history @ got.candidate.T)
    np.testing.assert_allclose(product, inverted(x.astype(np.float64), L2), atol=1e-5)
    np.testing.assert_array_equal(got.candidate[11], 0.0)


def test_cut_factors_come_closer_with_every_rank():
    rng = np.random.default_rng(1)
    tastes = rng.random((60, 3)) @ rng.random((3, 25))
    x = (tastes > np.quantile(tastes, 0.7)).astype(np.float32)
    expected = inverted(x.astype(np.float64), L2)
    errors = []
    for rank in (1, 2, 4, 8, 16, 24):
        got = fit_factors(sparse.csr_matrix(x), rank, L2)
        errors.append(np.linalg.norm(without_diagonal(got.history @ got.candidate.T) - expected))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.2 * errors[0]


def test_what_the_cut_leaves_out_of_the_diagonal_is_estimated_from_below():
    rng = np.random.default_rng(2)
    x = (rng.random((80, 30)) < rng.uniform(0.05, 0.5, 30)).astype(np.float32)
    gram = (x.T @ x).astype(np.float64)
    true = np.diag(np.linalg.solve(gram + L2 * np.eye(30), gram))
    got = fit_factors(sparse.csr_matrix(x), 5, L2)
    estimate = 1 - np.linalg.norm(got.history, axis=1) / np.linalg.norm(got.candidate, axis=1)
    cut_off = np.square(got.history).sum(axis=1)
    assert (cut_off + 0.05 < estimate).all() and (estimate <= true + 1e-5).all()


def test_the_same_events_give_the_same_factors():
    x = sparse.random(40, 30, 0.2, random_state=3, format="csr")
    first, second = (fit_factors(x, 8, L2) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_spread_is_the_standard_deviation_of_a_typical_users_scores():
    x = (np.random.default_rng(4).random((31, 20)) < 0.4).astype(np.float32)
    got = fit_factors(sparse.csr_matrix(x), 6, L2)
    queries = x @ got.history
    scores = queries / np.linalg.norm(queries, axis=1, keepdims=True) @ got.candidate.T
    assert got.spread == pytest.approx(np.median(scores.std(axis=1)), rel=1e-4)


@pytest.mark.parametrize("shape", [(1, 5), (3, 2), (2, 1)])
def test_few_users_or_items_leave_columns_empty(shape):
    got = fit_factors(sparse.csr_matrix(np.ones(shape, np.float32)), 7, L2)
    assert got.history.shape == got.candidate.shape == (shape[1], 7)
    kept = min(shape) - 1
    assert not got.history[:, kept:].any() and np.isfinite(got.candidate).all() and got.spread > 0


def test_no_events_at_all():
    got = fit_factors(sparse.csr_matrix((4, 5), dtype=np.float32), 3, L2)
    assert not got.history.any() and not got.candidate.any()
