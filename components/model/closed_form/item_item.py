"""Item-item structure in closed form, cut to a low rank and laid beside the learnt towers."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy import sparse

from components.common.tensors import take
from components.model.closed_form import svd
from components.model.history import History
from components.model.params import ModelParams
from components.model.user_features import star_weight

# Length that the longest item-item part of a candidate has beside its tower's unit
# vector: short enough that the nearest neighbours of an item remain the tower's.
_PART = 0.3
# Of a candidate before it is scaled to a unit vector, and so of a query's tower part.
_LENGTH = math.sqrt(1.0 + _PART**2)


class Factors(NamedTuple):
    """Item j's score after watching items i with weights w_i is sum_i w_i history[i] . candidate[j].

    Attributes:
      history, candidate: float32[N, R].
      spread: standard deviation over the N items of the scores of a typical unit
        query; what one unit of the item-item part is worth.
    """

    history: np.ndarray
    candidate: np.ndarray
    spread: float


def fit_factors(watched: sparse.csr_matrix, rank: int, l2: float) -> Factors:
    """EASE's item-item weights (Steck, "Embarrassingly Shallow Autoencoders", WWW 2019) of rank `rank`.

    EASE solves B = I - P diag(1 / diag(P)) with P = (X'X + l2 I)^-1. With the
    singular value decomposition X = U S V' and d = s^2 / (s^2 + l2), its weights
    off the diagonal are

        B_ij = g_ij / (1 - g_jj),   g = V diag(d) V'

    so the largest singular values give it as a product of two thin matrices, and
    no matrix of items by items is ever made. The diagonal, which EASE sets to 0,
    only scores what has been watched, and that is left out of recommendations.
    What the cut leaves out of g_jj is bounded below from the energy of column j
    that the cut leaves out of X, as if all its singular values were the last kept.

    Args:
      watched: float32[U, N], 1 where user u has an event with item i.
      rank: R; where the matrix has fewer singular values, the rest of the columns are 0.
      l2: lambda, in events.
    """
    items = watched.shape[1]
    history = np.zeros((items, rank), np.float32)
    _, s, v = svd.truncated(watched, rank)
    if not len(s):
        return Factors(history, history, 1.0)
    shrunk = s**2 / (s**2 + l2)
    energy = np.asarray(watched.multiply(watched).sum(axis=0)).ravel()
    left = np.maximum(energy - (v**2).T @ s**2, 0.0)
    diagonal = (v**2).T @ shrunk + left / (s[-1] ** 2 + l2)
    history[:, : len(s)] = v.T * np.sqrt(shrunk)
    candidate = (history / (1.0 - diagonal)[:, np.newaxis]).astype(np.float32)
    queries = watched @ history
    queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    centred = candidate - candidate.mean(axis=0)
    variance = np.einsum("ur,rs,us->u", queries, centred.T @ centred / items, queries)
    return Factors(history, candidate, float(max(np.sqrt(np.median(variance)), 1e-6)))


class ItemItem(tf.Module):
    """Adds the item-item part to a query's and a candidate's tower vector, by concatenation.

    The dot product of the two is

        cosine of the towers + weight / spread * (q . c)

    where q is the unit vector of the history's factors, weighted by recency and
    stars, and c are the candidate's factors. Candidates remain unit vectors: a last
    coordinate, 0 in every query, fills them up (Bachrach et al., "Speeding Up the
    Xbox Recommender System Using a Euclidean Transformation for Inner-Product
    Spaces", RecSys 2014). Queries are longer than 1, which ranks nothing differently.

    An item without a row of its own, such as one new since training, has factors 0
    and is scored by the towers alone. The factors are fitted before training
    (`assign`) and are not trained: the events to be predicted are part of what they
    are fitted on, so a gradient would take them for far better than they are.
    """

    def __init__(self, items: int, params: ModelParams) -> None:
        super().__init__(name="item_item")
        self._weight = params.item_item_weight
        self._half_life = params.item_item_half_life
        # The coordinate that fills up is one of the width.
        shape = [items + 1, params.item_item_dim - 1]
        self._history = tf.Variable(tf.zeros(shape), trainable=False, name="history_factors")
        self._candidate = tf.Variable(tf.zeros(shape), trainable=False, name="candidate_factors")
        # What turns a unit query into one that matches candidates of length _PART.
        self._gain = tf.Variable(0.0, trainable=False, name="query_gain")

    def assign(self, factors: Factors) -> None:
        """Take over factors of the items of the vocabulary; the row out of vocabulary stays 0."""
        blank = np.zeros((1, factors.history.shape[1]), np.float32)
        longest = max(float(np.linalg.norm(factors.candidate, axis=1).max(initial=0.0)), 1e-6)
        scale = _PART / longest
        self._history.assign(np.concatenate([factors.history, blank]))
        self._candidate.assign(np.concatenate([factors.candidate * scale, blank]))
        self._gain.assign(_LENGTH * self._weight / (factors.spread * scale))

    def query(self, tower: tf.Tensor, history: History, item_index: tf.Tensor) -> tf.Tensor:
        """float32[B, D + R]: `tower`, float32[B, D], with the item-item part of the history.

        Args:
          tower: unit vectors.
          history: windowed events.
          item_index: int32[B, W], the events' rows of the item vocabulary.
        """
        # No division by a constant, nor a constant times all: TensorFlow's graph optimizer moves
        # those about where it runs, and the same query would have another last bit there.
        weights = tf.pow(2.0, history.ages * (-1.0 / self._half_life)) * star_weight(history)
        part = tf.einsum("bw,bwr->br", weights, take(self._history, item_index))
        part = self._gain * tf.math.l2_normalize(part, axis=1)
        return tf.concat([_LENGTH * tower, part, tf.zeros_like(tower[:, :1])], axis=1)

    def candidate(self, tower: tf.Tensor, item_index: tf.Tensor) -> tf.Tensor:
        """float32[n, D + R] of length 1 from float32[n, D] of length 1 and int32[n]."""
        part = take(self._candidate, item_index)
        left = tf.maximum(_PART**2 - tf.reduce_sum(tf.square(part), axis=1, keepdims=True), 0.0)
        return tf.concat([tower, part, tf.sqrt(left)], axis=1) * (1.0 / _LENGTH)
