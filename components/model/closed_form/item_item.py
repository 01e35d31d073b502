"""Item-item structure in closed form, cut to a low rank and laid beside the learnt towers."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from components.common.tensors import take
from components.model.closed_form.ease import Factors
from components.model.history import History
from components.model.hyperparameters import Hyperparameters
from components.model.user_features import star_weight

# Length that the longest item-item part of a candidate has beside its tower's unit
# vector: short enough that the nearest neighbours of an item remain the tower's.
_PART = 0.3
# Of a candidate before it is scaled to a unit vector, and so of a query's tower part.
_LENGTH = math.sqrt(1.0 + _PART**2)


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

    def __init__(self, items: int, params: Hyperparameters) -> None:
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
