"""Item-kNN's similarities by a double loop, and their cut to a low rank."""

import math

import numpy as np
import pytest
from scipy import sparse

from components.model.closed_form import neighbours


def watched(users=50, items=14, seed=0):
    rng = np.random.default_rng(seed)
    x = (rng.random((users, items)) < rng.uniform(0.1, 0.6, items)).astype(np.float64)
    x[:, items - 1] = 0.0  # an item that nobody watched
    return x


def naive(x, shrink, kept):
    """s[j][i] for each pair, then the largest of each row; of equal ones the first."""
    items = x.shape[1]
    found = np.zeros((items, items))
    for j in range(items):
        for i in range(items):
            both = sum(row[i] * row[j] for row in x)
            if i != j and both:
                found[j, i] = both / (math.sqrt(x[:, i].sum() * x[:, j].sum()) + shrink)
        if kept:
            found[j, np.argsort(-found[j], kind="stable")[kept:]] = 0.0
    return found


@pytest.mark.parametrize(("shrink", "kept"), [(0.0, 0), (5.0, 0), (5.0, 3)])
def test_similarity_is_the_papers_formula(shrink, kept, monkeypatch):
    monkeypatch.setattr(neighbours, "_ROWS_AT_ONCE", 4)  # several blocks
    x = watched()
    got = neighbours.similarity(sparse.csr_matrix(x), shrink, kept).toarray()
    np.testing.assert_allclose(got, naive(x, shrink, kept), atol=1e-12)


@pytest.mark.parametrize("kept", [0, 4])
def test_uncut_factors_are_the_similarities_beside_the_diagonal(kept):
    """Of 14 items one was watched by nobody: 13 singular values hold all there is."""
    x = watched()
    history, candidate = neighbours.fit_factors(sparse.csr_matrix(x), 13, 5.0, kept)
    product = (history @ candidate.T).T  # [j, i]
    expected = naive(x, 5.0, kept)
    np.fill_diagonal(product, 0.0)
    np.testing.assert_allclose(product, expected, atol=1e-5)
    if kept:
        assert not np.allclose(expected, expected.T)  # a neighbour need not have one as its neighbour


def test_the_diagonal_lets_a_low_rank_say_more():
    rng = np.random.default_rng(1)
    tastes = rng.random((80, 4)) @ rng.random((4, 40))
    x = sparse.csr_matrix((tastes > np.quantile(tastes, 0.7)).astype(np.float64))
    exact = neighbours.similarity(x, 2.0, 0)

    def off_diagonal_error(product):
        left = product - exact.toarray()
        np.fill_diagonal(left, 0.0)
        return np.linalg.norm(left)

    history, candidate = neighbours.fit_factors(x, 6, 2.0, 0)
    u, s, v = np.linalg.svd(exact.toarray())
    assert off_diagonal_error(candidate @ history.T) < 0.7 * off_diagonal_error((u[:, :6] * s[:6]) @ v[:6])


@pytest.mark.parametrize("shape", [(3, 2), (2, 1), (4, 5)])
def test_few_items_leave_columns_empty(shape):
    history, candidate = neighbours.fit_factors(sparse.csr_matrix(np.ones(shape)), 7, 0.0, 3)
    assert history.shape == candidate.shape == (shape[1], 7)
    assert not history[:, shape[1] - 1 :].any() and np.isfinite(candidate).all()


def test_no_events_at_all():
    history, candidate = neighbours.fit_factors(sparse.csr_matrix((4, 5)), 3, 0.0, 2)
    assert not history.any() and not candidate.any()
