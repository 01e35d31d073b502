"""Stars by factors with their uncertainty: a factorisation in closed form beside the learnt rating head."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy import sparse

from components.common.tensors import take
from components.model.history import History
from components.model.hyperparameters import Hyperparameters

# Events whose squared error is computed at once.
_BLOCK = 1 << 20


class Factors(NamedTuple):
    """Item i of user u has mean + x_u[0] + y_i[0] + x_u[1:] . y_i[1:] stars, give or take the noise.

    Attributes:
      mean: stars.
      items: float32[N + 1, K], expectation of y; its first column is the bias. The last row is
        that of an item without a rating.
      variances: float32[N + 1, K], how sure each of `items` is.
      user_mean: float32[K], expectation of x for a user without a rating.
      user_precision: float32[K, K], inverse covariance of x.
      noise_precision: 1 / variance of a rating, in stars^-2.
    """

    mean: float
    items: np.ndarray
    variances: np.ndarray
    user_mean: np.ndarray
    user_precision: np.ndarray
    noise_precision: float


class _Side(NamedTuple):
    """Users, or items: Gaussians with one prior.

    Attributes:
      mean: float64[n, K]; covariance: float64[n, K, K].
      prior_mean: float64[K]; prior_precision: float64[K, K].
    """

    mean: np.ndarray
    covariance: np.ndarray
    prior_mean: np.ndarray
    prior_precision: np.ndarray


def fit(ratings: sparse.csr_matrix, rank: int, sweeps: int, seed: int) -> Factors:
    """Variational Bayes for a matrix factorisation with biases.

    As Lim and Teh, "Variational Bayesian Approach to Item Rating Prediction" (KDD Cup 2007),
    with full covariances, and priors and noise set to what maximises the bound. Each sweep
    solves for all users given all items, and the other way round. What little is known of
    someone with few ratings weighs little: nothing has to be tuned but the rank.

    Args:
      ratings: float[U, N] stars, explicitly stored where there is a rating.
      rank: factors beside the bias.
      sweeps: over users and items.
      seed: of the factors to start from.
    """
    if not ratings.nnz:
        raise ValueError("there is no rating to fit factors to; expected some")
    users, items = ratings.shape
    size = rank + 1
    mean = float(ratings.data.mean())
    residual = sparse.csr_matrix((ratings.data - mean, ratings.indices, ratings.indptr), ratings.shape)
    transposed = residual.T.tocsr()
    by_user, by_item = _Ratings.of(residual), _Ratings.of(transposed)
    rng = np.random.default_rng(seed)
    first = np.zeros((items, size))
    first[:, 1:] = rng.normal(0.0, 0.3, (items, rank))
    start, precision = 0.1 * np.eye(size), 4.0 * np.eye(size)
    item = _Side(first, np.broadcast_to(start, (items, size, size)), np.zeros(size), precision)
    user = _Side(
        np.zeros((users, size)), np.broadcast_to(start, (users, size, size)), np.zeros(size), precision
    )
    noise = 1.0 / float(np.var(residual.data) + 1e-6)
    for _ in range(sweeps):
        user = _with_prior(_solved(user, by_user, item, by_user.sums(_second(item)), noise), by_user.some)
        second = by_item.sums(_second(user))
        item = _with_prior(_solved(item, by_item, user, second, noise), by_item.some)
        noise = residual.nnz / _expected_squares(by_item, item, user, second)
    # Those without a rating are what the last prior says.
    item = _solved(item, by_item, user, second, noise)
    blank = np.linalg.inv(item.prior_precision)
    variances = np.einsum("nkk->nk", np.concatenate([item.covariance, blank[np.newaxis]]))
    return Factors(
        mean,
        np.concatenate([item.mean, item.prior_mean[np.newaxis]]).astype(np.float32),
        variances.astype(np.float32),
        user.prior_mean.astype(np.float32),
        user.prior_precision.astype(np.float32),
        float(noise),
    )


class _Ratings(NamedTuple):
    """Ratings less their mean, of n users by m items or the other way round.

    Attributes:
      residual: float64[n, m]; present: the same with 1 where there is a rating.
      some: bool[n], who has any.
    """

    residual: sparse.csr_matrix
    present: sparse.csr_matrix
    some: np.ndarray

    @classmethod
    def of(cls, residual: sparse.csr_matrix) -> _Ratings:
        parts = (np.ones_like(residual.data), residual.indices, residual.indptr)
        return cls(residual, sparse.csr_matrix(parts, residual.shape), np.diff(residual.indptr) > 0)

    def sums(self, matrices: np.ndarray) -> np.ndarray:
        """float64[n, K, K]: the sums of symmetric float64[m, K, K] over what each has rated, or was rated by.

        One half is added up: this is where the time goes.
        """
        size = matrices.shape[1]
        row, column = np.triu_indices(size)
        found = np.empty((self.present.shape[0], size, size))
        found[:, row, column] = found[:, column, row] = self.present @ matrices[:, row, column]
        return found


def _solved(own: _Side, ratings: _Ratings, other: _Side, second: np.ndarray, noise: float) -> _Side:
    """The posteriors of one side, given the other side's.

    In y = [bias, f] of the other side, one's own bias meets a 1 and one's own factors meet f;
    the other's bias is taken from the residual. Products of uncertain numbers bring in their
    covariances.

    Args:
      second: float64[n, K, K], the sums over the ratings of `_second` of the other side.
    """
    design = _design(other)
    first = design * other.mean[:, :1]
    first[:, 1:] += other.covariance[:, 0, 1:]
    precision = noise * second + own.prior_precision
    linear = noise * (ratings.residual @ design - ratings.present @ first)
    linear += own.prior_precision @ own.prior_mean
    covariance = np.linalg.inv(precision)
    return own._replace(mean=np.einsum("nkl,nl->nk", covariance, linear), covariance=covariance)


def _design(side: _Side) -> np.ndarray:
    """float64[n, K]: what the other side's [bias, f] meets."""
    design = side.mean.copy()
    design[:, 0] = 1.0
    return design


def _second(side: _Side) -> np.ndarray:
    """float64[n, K, K]: expectation of the product of `_design` with itself."""
    design = _design(side)
    second = np.einsum("nk,nl->nkl", design, design)
    second[:, 1:, 1:] += side.covariance[:, 1:, 1:]
    return second


def _with_prior(side: _Side, known: np.ndarray) -> _Side:
    """The prior that fits those of bool[n] best, drawn to the identity by two more of them."""
    mean = side.mean[known].mean(axis=0)
    centred = side.mean[known] - mean
    scatter = centred.T @ centred + side.covariance[known].sum(axis=0) + np.eye(len(mean))
    return side._replace(prior_mean=mean, prior_precision=np.linalg.inv(scatter / (known.sum() + 2.0)))


def _expected_squares(ratings: _Ratings, own: _Side, other: _Side, second: np.ndarray) -> float:
    """Sum over the ratings of the expected squared error, in stars^2; `second` as for `_solved`."""
    residual = ratings.residual
    owner = np.repeat(np.arange(residual.shape[0]), np.diff(residual.indptr))
    total = 0.0
    for start in range(0, residual.nnz, _BLOCK):
        x, y = own.mean[owner[start : start + _BLOCK]], other.mean[residual.indices[start : start + _BLOCK]]
        # Bias meets 1 and factors meet factors: [bias, 1, f] . [1, bias, f].
        error = residual.data[start : start + _BLOCK] - x[:, 0] - y[:, 0]
        error -= np.einsum("ek,ek->e", x[:, 1:], y[:, 1:])
        total += float(np.square(error).sum())
    # The variance of a sum of products, added up by who has rated before it is multiplied.
    design = _design(own)
    total += float(np.einsum("nkl,nkl->", own.covariance, second))
    total += float(np.einsum("nk,nkl,nl->", design, ratings.sums(other.covariance), design, optimize=True))
    return total


class RatingFactors(tf.Module):
    """Predicts stars from a history: the expectation of the user given the items, then the product.

    A new person is as good as one who was there at the fit. An event weighs half as much
    after `half_life` newer ones: tastes and moods drift.
    """

    def __init__(self, items: int, params: Hyperparameters) -> None:
        super().__init__(name="rating_factors")
        size = params.rating_factors + 1
        self._decay = -1.0 / params.rating_half_life
        self._items = tf.Variable(tf.zeros([items + 1, size]), trainable=False, name="items")
        self._variances = tf.Variable(tf.zeros([items + 1, size]), trainable=False, name="variances")
        self._prior = tf.Variable(tf.zeros([size]), trainable=False, name="user_prior")
        self._precision = tf.Variable(tf.eye(size), trainable=False, name="user_precision")
        self._noise = tf.Variable(1.0, trainable=False, name="noise_precision")
        self._mean = tf.Variable(0.0, trainable=False, name="mean")

    def assign(self, factors: Factors) -> None:
        self._items.assign(factors.items)
        # One's own bias meets a 1, which is certain.
        self._variances.assign(
            np.concatenate([np.zeros_like(factors.variances[:, :1]), factors.variances[:, 1:]], 1)
        )
        self._prior.assign(factors.user_precision @ factors.user_mean)
        self._precision.assign(factors.user_precision)
        self._noise.assign(factors.noise_precision)
        self._mean.assign(factors.mean)

    def __call__(self, history: History, history_items: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """float32[B, M] stars, not clipped.

        Args:
          history: windowed events.
          history_items: int32[B, W], rows of `items` of the history's items.
          items: int32[B, M], rows of the items to predict.
        """
        y = take(self._items, history_items)
        design = tf.concat([tf.ones_like(y[:, :, :1]), y[:, :, 1:]], axis=2)
        weights = tf.pow(2.0, history.ages * self._decay) * tf.cast(history.mask, tf.float32) * self._noise
        precision = tf.einsum("bw,bwk,bwl->bkl", weights, design, design)
        spread = tf.einsum("bw,bwk->bk", weights, take(self._variances, history_items))
        precision += tf.linalg.diag(spread) + self._precision
        left = weights * (history.ratings - self._mean - y[:, :, 0])
        linear = tf.einsum("bw,bwk->bk", left, design) + self._prior
        user = tf.linalg.cholesky_solve(tf.linalg.cholesky(precision), linear[:, :, tf.newaxis])[:, :, 0]
        predicted = take(self._items, items)
        product = tf.einsum("bk,bmk->bm", user[:, 1:], predicted[:, :, 1:])
        return self._mean + user[:, :1] + predicted[:, :, 0] + product
