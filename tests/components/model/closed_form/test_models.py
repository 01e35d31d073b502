"""Closed-form models rank as their papers' formulas do, by loops or dense algebra."""

import math
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse
from support.training import toy_training

from components.common.event_lists import Events
from components.model.closed_form import als
from components.model.fit_inputs import FitInputs
from components.model.history import History
from components.model.params import ModelParams

ITEMS, USERS, HALF_LIFE, WINDOW = 31, 90, 3.0, 12
UNWATCHED = ITEMS - 1
SHRINK, NEIGHBOURS, L2 = 4.0, 8, 5.0
REGULARISATION, CONFIDENCE = 2.0, 4.0


@pytest.fixture(scope="module")
def train():
    """Nobody watched the last item: 30 factors hold all that can be said of the others."""
    return toy_training.train_events(users=USERS, items=ITEMS - 1, length=9)


@pytest.fixture(scope="module")
def seen(train):
    found = np.zeros((USERS, ITEMS))
    found[np.repeat(np.arange(USERS), 9), train.rows] = 1.0
    return found


class Sizes(NamedTuple):
    """All that a closed form reads of the vocabularies."""

    items: int


def made(kind, train, seen, *, implicit=False, **hyperparameters):
    given = {
        "popularity": {},
        "item_knn": {"knn_shrink": SHRINK, "knn_neighbours": NEIGHBOURS},
        "ease": {"item_item_l2": L2},
        "ials": {"als_regularisation": REGULARISATION, "als_confidence": CONFIDENCE, "als_sweeps": 3},
    }[kind]
    if kind != "popularity":
        given |= {
            "item_item_dim": ITEMS - 1,
            "item_item_half_life": HALF_LIFE,
            "history_window": WINDOW,
        }
    params = ModelParams(kind=kind, **{**given, **hyperparameters})
    users, rows = np.nonzero(seen)
    lengths = np.bincount(users, minlength=len(seen))
    inputs = FitInputs(
        params,
        seed=1,
        sizes=Sizes(ITEMS),
        catalogue=toy_training.catalogue(train, ITEMS),
        train=Events(
            rows.astype(np.int32),
            np.random.default_rng(5).integers(1, 11, len(rows)).astype(np.float32) / 2,
            np.arange(len(rows)),
            np.concatenate([[0], np.cumsum(lengths)]),
        ),
        sample_pairs=None,
        implicit=implicit,
    )
    return params.entry.code().build(inputs)


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


@pytest.mark.parametrize("kind", ["ease", "item_knn", "ials"])
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


@pytest.mark.parametrize("kind", ["ease", "item_knn", "ials", "popularity"])
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


def test_without_ratings_there_are_no_factors_of_stars(train, seen):
    assert made("popularity", train, seen, implicit=True).rating_factors is None
    assert made("popularity", train, seen).rating_factors is not None


@pytest.mark.parametrize("confidence", [1.0, 3.0, 0.5])
def test_als_queries_are_the_librarys_own_users(train, seen, confidence):
    """Of histories whose events all weigh the same, which is what the library solves for."""
    model = made("ials", train, seen, als_confidence=confidence, item_item_dim=6, item_item_half_life=1e9)
    library = als.fit(sparse.csr_matrix(seen), 6, REGULARISATION, confidence, 3, seed=1)
    asked = [[-1, -1, 3, 9, 14], [5, 1, 2, 17, 8]]
    histories = np.zeros((2, ITEMS))
    for user, rows in enumerate(asked):
        histories[user, [row for row in rows if row >= 0]] = 1.0
    expected = library.recalculate_user(np.arange(2), sparse.csr_matrix(histories)) @ library.item_factors.T
    for got, wanted in zip(scores_of(model, asked), expected, strict=True):
        scale = got @ wanted / (wanted @ wanted)
        assert scale > 0
        np.testing.assert_allclose(got, scale * wanted, atol=1e-4)


def test_als_queries_solve_the_weighted_normal_equations(train, seen):
    """Hu, Koren and Volinsky, equation 4, user by user in float64; an older event counts less."""
    model = made("ials", train, seen, item_item_dim=6)
    items = als.fit(sparse.csr_matrix(seen), 6, REGULARISATION, CONFIDENCE, 3, seed=1).item_factors
    rows = [4, 9, 22, 7]
    left = items.T.astype(float) @ items + REGULARISATION * np.eye(6)
    right = np.zeros(6)
    for age, row in enumerate(reversed(rows)):
        weight, y = 2.0 ** (-age / HALF_LIFE), items[row].astype(float)
        left += weight * (CONFIDENCE - 1.0) * np.outer(y, y)
        right += weight * CONFIDENCE * y
    user = np.linalg.solve(left, right)
    query = model.embed_query(history([rows]), tf.zeros([1], tf.int64)).numpy()[0]
    np.testing.assert_allclose(query[:6], user / np.linalg.norm(user), atol=1e-5)
    np.testing.assert_array_equal(query[6:], 0.0)
