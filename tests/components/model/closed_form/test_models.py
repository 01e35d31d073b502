"""Closed-form models rank as their papers' formulas do, by loops or dense algebra."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse
from support import toy_training

from components.model.closed_form.models import ClosedForm
from components.model.history import History
from components.model.params import ModelParams

ITEMS, USERS, HALF_LIFE, WINDOW = 31, 90, 3.0, 12
UNWATCHED = ITEMS - 1
SHRINK, NEIGHBOURS, L2 = 4.0, 8, 5.0


@pytest.fixture(scope="module")
def train():
    """Nobody watched the last item: 30 factors hold all that can be said of the others."""
    return toy_training.train_events(users=USERS, items=ITEMS - 1, length=9)


@pytest.fixture(scope="module")
def seen(train):
    found = np.zeros((USERS, ITEMS))
    found[np.repeat(np.arange(USERS), 9), train.rows] = 1.0
    return found


def made(kind, train, seen, **knobs):
    if kind == "ease":
        knobs = {"item_item_l2": L2, **knobs}
    if kind == "item_knn":
        knobs = {"knn_shrink": SHRINK, "knn_neighbours": NEIGHBOURS, **knobs}
    if kind != "popularity":
        knobs = {
            "item_item_dim": ITEMS - 1,
            "item_item_half_life": HALF_LIFE,
            "history_window": WINDOW,
            **knobs,
        }
    model = ClosedForm(ModelParams(kind=kind, **knobs), ITEMS, toy_training.catalogue(train, ITEMS))
    model.fit(sparse.csr_matrix(seen))
    return model


def weights_of(kind, seen):
    """float[N, N]: what an event with i adds to the score of j, at [i, j]."""
    count = seen.sum(axis=0)
    if kind == "ease":
        inverse = np.linalg.inv(seen.T @ seen + L2 * np.eye(ITEMS))
        b = -inverse / np.diag(inverse)
        np.fill_diagonal(b, 0.0)
        return b
    b = np.zeros((ITEMS, ITEMS))
    for j in range(ITEMS):
        of_j = {
            i: (seen[:, i] * seen[:, j]).sum() / (math.sqrt(count[i] * count[j]) + SHRINK)
            for i in range(ITEMS)
            if i != j and (seen[:, i] * seen[:, j]).any()
        }
        for i in sorted(of_j, key=lambda i: (-of_j[i], i))[:NEIGHBOURS]:
            b[i, j] = of_j[i]
    return b


def history(rows):
    """Right-aligned; -1 for no event."""
    rows = np.array(rows, np.int32)
    mask = tf.constant(rows >= 0)
    return History(tf.constant(np.maximum(rows, 0)), tf.cast(mask, tf.float32), tf.cast(mask, tf.int64), mask)


def scores_of(model, rows):
    queries = model.embed_query(history(rows), tf.zeros([len(rows)], tf.int64)).numpy()
    return queries @ model.embed_catalogue().numpy().T


@pytest.mark.parametrize("kind", ["ease", "item_knn"])
def test_scores_are_in_proportion_to_the_formulas(kind, train, seen):
    model = made(kind, train, seen)
    b = weights_of(kind, seen)
    rng = np.random.default_rng(2)
    asked = [[-1, -1, *rng.permutation(ITEMS - 1)[:6]], rng.permutation(ITEMS - 1)[:8].tolist()]
    scores = scores_of(model, asked)
    for watched, got in zip(asked, scores, strict=True):
        events = [row for row in watched if row >= 0]
        expected = sum(2.0 ** (-age / HALF_LIFE) * b[row] for age, row in enumerate(reversed(events)))
        others = np.setdiff1d(np.arange(ITEMS), events)  # what is in the history is never shown
        scale = got[others] @ expected[others] / (expected[others] @ expected[others])
        assert scale > 0
        np.testing.assert_allclose(got[others], scale * expected[others], atol=2e-5)


def test_popularity_counts_and_asks_nobody(train, seen):
    model = made("popularity", train, seen)
    scores = scores_of(model, [[-1, -1], [4, 9]])
    np.testing.assert_array_equal(scores[0], scores[1])
    count = np.bincount(train.rows, minlength=ITEMS)
    for j in range(ITEMS):
        for i in range(ITEMS):
            assert (scores[0, i] > scores[0, j]) == (count[i] > count[j])


@pytest.mark.parametrize("kind", ["ease", "item_knn"])
def test_where_nothing_is_known_it_ranks_by_popularity(kind, train, seen):
    """No event, or one with an item that nobody watched in train."""
    model, popular = made(kind, train, seen), made("popularity", train, seen)
    expected = scores_of(popular, [[-1]])[0]
    for scores in scores_of(model, [[-1, -1], [-1, UNWATCHED]]):
        np.testing.assert_array_equal(
            np.argsort(-scores, kind="stable"), np.argsort(-expected, kind="stable")
        )
    both = scores_of(model, [[UNWATCHED, 3], [-1, 3]])
    np.testing.assert_allclose(both[0], both[1], atol=1e-6)  # beside a known one it says nothing


@pytest.mark.parametrize("kind", ["ease", "item_knn", "popularity"])
def test_candidates_are_of_length_one_and_new_ones_have_their_count_alone(kind, train, seen):
    model = made(kind, train, seen)
    np.testing.assert_allclose(np.linalg.norm(model.embed_catalogue(), axis=1), 1.0, rtol=1e-6)
    new = model.candidate(tf.constant([ITEMS] * 3), tf.constant([0, 5, 10**6], tf.int64)).numpy()
    np.testing.assert_allclose(np.linalg.norm(new, axis=1), 1.0, rtol=1e-6)
    assert not new[:, :-2].any()
    assert new[0, -2] == 0 < new[1, -2] < new[2, -2]
    known = model.candidate(tf.constant([3]), tf.constant([5], tf.int64)).numpy()
    assert known[0, -2] == new[1, -2]
    assert (kind == "popularity") != bool(known[0, :-2].any())


@pytest.mark.parametrize("kind", ["ease", "item_knn"])
def test_similar_items_are_those_of_a_history_of_one(kind, train, seen):
    model = made(kind, train, seen)
    scores = model.similar_query(tf.constant([7, 2])).numpy() @ model.embed_catalogue().numpy().T
    b = weights_of(kind, seen)
    for row, got in zip([7, 2], scores, strict=True):
        others = np.setdiff1d(np.arange(ITEMS), [row])
        scale = got[others].max() / b[row, others].max()
        np.testing.assert_allclose(got[others], scale * b[row, others], atol=2e-5)


def test_the_cut_leaves_the_best_of_the_order(train):
    """With fewer factors than items most of the first ten remain."""
    rng = np.random.default_rng(3)
    tastes = rng.random((USERS, 3)) @ rng.random((3, ITEMS))
    seen = (tastes > np.quantile(tastes, 0.6)).astype(float)
    full, cut = (made("ease", train, seen, item_item_dim=dim) for dim in (ITEMS - 1, 6))
    asked = rng.permutation(ITEMS)[:5].tolist()

    def best(model):
        scores = scores_of(model, [asked])[0]
        scores[asked] = -np.inf
        return set(np.argsort(-scores)[:10])

    assert len(best(full) & best(cut)) >= 8


def test_without_ratings_there_are_no_factors_of_stars(train):
    params = ModelParams(kind="popularity")
    items = toy_training.catalogue(train, ITEMS)
    assert ClosedForm(params, ITEMS, items, implicit=True).rating_factors is None
    assert ClosedForm(params, ITEMS, items).rating_factors is not None
