from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from components.model.closed_form import rating_factors
from components.model.closed_form.rating_factors import RatingFactors
from components.model.history import History
from components.model.params import ModelParams


def planted(users=60, items=80, rank=2, per_user=30, noise=0.3, seed=0):
    """Ratings of a known model, with what it would say of every pair."""
    rng = np.random.default_rng(seed)
    truth = 3.5 + rng.normal(0, 0.4, (users, 1)) + rng.normal(0, 0.5, items)
    truth = truth + rng.normal(0, 0.7, (users, rank)) @ rng.normal(0, 0.7, (rank, items))
    kept = np.zeros((users, items), bool)
    for user in range(users):
        kept[user, rng.choice(items, per_user, replace=False)] = True
    stars = np.where(kept, truth + rng.normal(0, noise, truth.shape), 0.0)
    return sparse.csr_matrix(stars), truth, kept


def naive_fit(ratings, rank, sweeps, seed):
    """The same algorithm, one rating after the other."""
    users, items = ratings.shape
    found = [(u, i, ratings[u, i]) for u, i in zip(*ratings.nonzero(), strict=True)]
    mean, size = np.mean([stars for *_, stars in found]), rank + 1
    y = np.zeros((items, size))
    y[:, 1:] = np.random.default_rng(seed).normal(0.0, 0.3, (items, rank))
    x = np.zeros((users, size))
    x_cov, y_cov = np.stack([0.1 * np.eye(size)] * users), np.stack([0.1 * np.eye(size)] * items)
    prior = {"x": (np.zeros(size), 4 * np.eye(size)), "y": (np.zeros(size), 4 * np.eye(size))}
    noise = 1 / (np.var([stars for *_, stars in found]) + 1e-6)

    def solve(own, own_cov, name, other, other_cov, mine):
        for n in range(len(own)):
            mu, precision = prior[name]
            a, b = precision.copy(), precision @ mu
            for u, i, stars in found:
                if (u if mine == 0 else i) != n:
                    continue
                m, c = (other[i], other_cov[i]) if mine == 0 else (other[u], other_cov[u])
                d = np.concatenate([[1.0], m[1:]])
                outer = np.outer(d, d)
                outer[1:, 1:] += c[1:, 1:]
                product = d * m[0] + np.concatenate([[0.0], c[0, 1:]])
                a += noise * outer
                b += noise * (d * (stars - mean) - product)
            own_cov[n] = np.linalg.inv(a)
            own[n] = own_cov[n] @ b

    def refit(name, own, own_cov, known):
        mu = own[known].mean(axis=0)
        scatter = sum(np.outer(m - mu, m - mu) + c for m, c in zip(own[known], own_cov[known], strict=True))
        prior[name] = (mu, np.linalg.inv((scatter + np.eye(size)) / (len(known) + 2)))

    raters, rated = sorted({u for u, *_ in found}), sorted({i for _, i, _ in found})
    for _ in range(sweeps):
        solve(x, x_cov, "x", y, y_cov, 0)
        refit("x", x, x_cov, raters)
        solve(y, y_cov, "y", x, x_cov, 1)
        refit("y", y, y_cov, rated)
        squares = 0.0
        for u, i, stars in found:
            f, g, cf, cg = x[u], y[i], x_cov[u], y_cov[i]
            error = stars - mean - f[0] - g[0] - f[1:] @ g[1:]
            squares += error**2 + cf[0, 0] + cg[0, 0] + 2 * cf[0, 1:] @ g[1:] + 2 * cg[0, 1:] @ f[1:]
            squares += g[1:] @ cf[1:, 1:] @ g[1:] + f[1:] @ cg[1:, 1:] @ f[1:]
            squares += np.trace(cf[1:, 1:] @ cg[1:, 1:])
        noise = len(found) / squares
    solve(y, y_cov, "y", x, x_cov, 1)
    return mean, y, np.array([np.diag(c) for c in y_cov]), prior, noise


def params(**changes):
    return ModelParams.model_validate({"rating_factors": 2, "rating_half_life": 5.0, **changes})


def fitted(factors, **changes):
    model = RatingFactors(
        len(factors.items) - 1, params(rating_factors=factors.items.shape[1] - 1, **changes)
    )
    model.assign(factors)
    return model


def history(rows, stars, width=None):
    """One history, right-aligned in `width` columns."""
    short = (width or len(rows)) - len(rows)
    return History(
        tf.constant([[0] * short + list(rows)], tf.int32),
        tf.constant([[0.0] * short + list(stars)], tf.float32),
        tf.zeros([1, short + len(rows)], tf.int64),
        tf.constant([[False] * short + [True] * len(rows)], tf.bool, shape=[1, short + len(rows)]),
    )


def test_a_fit_equals_one_rating_after_the_other():
    ratings, *_ = planted(users=7, items=9, per_user=5)
    ratings = sparse.vstack([ratings, sparse.csr_matrix((1, 9))]).tocsr()  # somebody who rated nothing
    ratings = sparse.hstack([ratings, sparse.csr_matrix((8, 1))]).tocsr()  # and what nobody rated
    got = rating_factors.fit(ratings, 2, 4, seed=3)
    mean, items, variances, prior, noise = naive_fit(ratings, 2, 4, seed=3)
    assert got.mean == pytest.approx(mean)
    assert got.noise_precision == pytest.approx(noise)
    np.testing.assert_allclose(got.items[:-1], items, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.variances[:-1], variances, rtol=1e-4)
    np.testing.assert_allclose(got.user_mean, prior["x"][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.user_precision, prior["x"][1], rtol=1e-4)
    np.testing.assert_allclose(got.items[-1], prior["y"][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.variances[-1], np.diag(np.linalg.inv(prior["y"][1])), rtol=1e-4)


def test_what_made_the_ratings_is_found():
    ratings, truth, kept = planted()
    factors = rating_factors.fit(ratings, 4, 40, seed=1)
    assert 0.25 < factors.noise_precision**-0.5 < 0.45  # 0.3 was drawn
    model = fitted(factors, rating_half_life=1e6)
    errors, by_mean = [], []
    for user in range(len(truth)):
        rows, others = np.flatnonzero(kept[user]), np.flatnonzero(~kept[user])
        stars = ratings[user].toarray()[0][rows]
        asked = tf.constant(rows[np.newaxis], tf.int32)
        predicted = model(history(rows, stars), asked, tf.constant(others[np.newaxis], tf.int32))[0]
        errors.append(np.mean((predicted.numpy() - truth[user, others]) ** 2))
        by_mean.append(np.mean((truth[user, others] - truth[user].mean()) ** 2))
    assert np.sqrt(np.mean(errors)) < 0.35 * np.sqrt(np.mean(by_mean))


def test_without_events_it_is_what_is_expected_of_anybody():
    factors = rating_factors.fit(planted()[0], 2, 10, seed=1)
    got = fitted(factors)(history([], [], 3), tf.zeros([1, 3], tf.int32), tf.constant([[4, 80]]))[0]
    x, y = factors.user_mean, factors.items[[4, 80]]
    np.testing.assert_allclose(got, factors.mean + x[0] + y[:, 0] + y[:, 1:] @ x[1:], rtol=1e-5)


def test_a_user_is_solved_for_as_in_a_sweep_and_older_events_weigh_less():
    factors = rating_factors.fit(planted()[0], 2, 10, seed=1)
    rows, stars, half_life = [3, 40, 17], [5.0, 1.0, 3.5], 2.0
    a, b = factors.user_precision.astype(float), factors.user_precision @ factors.user_mean
    for age, (row, given_) in enumerate(zip(rows[::-1], stars[::-1], strict=True)):
        weight = factors.noise_precision * 2 ** (-age / half_life)
        y = factors.items[row]
        d = np.array([1.0, *y[1:]])
        a = a + weight * (np.outer(d, d) + np.diag([0.0, *factors.variances[row, 1:]]))
        b = b + weight * d * (given_ - factors.mean - y[0])
    x, asked = np.linalg.solve(a, b), factors.items[7]
    wanted = factors.mean + x[0] + asked[0] + x[1:] @ asked[1:]
    model = fitted(factors, rating_half_life=half_life)
    for width in (3, 8):
        some = history(rows, stars, width)
        got = model(some, some.rows, tf.constant([[7]]))
        np.testing.assert_allclose(got, [[wanted]], rtol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 10), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_more_stars_for_the_same_items_never_predict_fewer_for_one_of_them(halves, seed):
    factors = rating_factors.fit(planted(seed=3)[0], 2, 5, seed=1)
    rows = np.random.default_rng(seed).choice(80, len(halves), replace=False)
    model, stars = fitted(factors, rating_half_life=1e9), np.array(halves) / 2
    few, many = history(rows, stars), history(rows, np.concatenate([stars[:-1], stars[-1:] + 1]))
    last = tf.constant([[rows[-1]]], tf.int32)
    assert model(many, many.rows, last) >= model(few, few.rows, last) - 1e-4


@pytest.mark.parametrize("stars", [[[3.0]], [[4.0, 4.0], [4.0, 4.0]], [[0.5, 5.0]]])
def test_next_to_nothing_is_enough(stars):
    factors = rating_factors.fit(sparse.csr_matrix(np.array(stars)), 3, 5, seed=1)
    assert all(np.isfinite(x).all() for x in factors)
    assert factors.noise_precision > 0


def test_a_seed_is_a_fit():
    ratings = planted()[0]
    for one, other in zip(*(rating_factors.fit(ratings, 2, 3, seed=5) for _ in range(2)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_rating_is_an_error():
    with pytest.raises(ValueError, match="there is no rating to fit factors to"):
        rating_factors.fit(sparse.csr_matrix((3, 4)), 2, 1, seed=0)
