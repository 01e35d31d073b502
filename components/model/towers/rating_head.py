"""Stars for a (history, item) pair: biases plus a learnt residual."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras

import contract
from components.model.history import History
from components.model.hyperparameters import Hyperparameters
from components.model.towers.encoders import Mlp


class RatingHead(keras.layers.Layer):
    """global mean + user bias + item bias + MLP(neighbours' residuals, biases, user features).

    The biases are shrunken means (Koren, "Factor in the Neighbors", TKDD 2010,
    section 2.1): a sum of deviations over its count plus `rating_shrinkage`.
    A neighbours' residual is what the user gave above the biases to the items
    of the history, weighted by their similarity to the item in question (the
    neighbourhood model of the same paper, with the shared encoding's cosine in
    place of rating correlations). All of it is computed from the history and the
    catalogue, so a new person has it too.

    The head does not read the query vector: the towers are fitted to rank the
    very items that the train ratings belong to, so on train pairs they agree
    far better than on later ones, and a head that trusts them overfits.
    """

    def __init__(self, params: Hyperparameters, global_mean: float) -> None:
        super().__init__(name="rating_head")
        self._shrinkage = params.rating_shrinkage
        self._global_mean = global_mean
        self._mlp = Mlp(params.rating_hidden, 1, params.dropout, "rating_mlp")
        self._scale = self.add_weight(
            name="bias_scale", shape=[2], initializer=keras.initializers.Constant([1.0, 1.0])
        )

    def item_bias(self, count: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
        """Shrunken deviation of an item's mean from the global one; any shape.

        Args:
          count: float32, ratings of the item.
          total: float32, their sum in stars.
        """
        return (total - count * self._global_mean) / (count + self._shrinkage)

    def user_bias(self, history: History, history_item_bias: tf.Tensor) -> tf.Tensor:
        """float32[B]: shrunken mean of what the user gave above each item's mean."""
        present = tf.cast(history.mask, tf.float32)
        residual = (history.ratings - self._global_mean - history_item_bias) * present
        return tf.reduce_sum(residual, axis=1) / (tf.reduce_sum(present, axis=1) + self._shrinkage)

    def residuals(self, history: History, history_item_bias: tf.Tensor, user_bias: tf.Tensor) -> tf.Tensor:
        """float32[B, W]: stars above global mean, item bias and user bias; 0 where masked."""
        left = history.ratings - self._global_mean - history_item_bias - user_bias[:, tf.newaxis]
        return left * tf.cast(history.mask, tf.float32)

    def call(
        self,
        item: tf.Tensor,
        history: tf.Tensor,
        residuals: tf.Tensor,
        mask: tf.Tensor,
        user_bias: tf.Tensor,
        item_bias: tf.Tensor,
        item_log_count: tf.Tensor,
        user_features: tf.Tensor,
        training: bool = False,
    ) -> tf.Tensor:
        """float32[B, M] stars (not clipped) of M items for each of B histories.

        Args:
          item: float32[B, M, D], shared encodings of the items.
          history: float32[B, W, D], shared encodings of the history.
          residuals: float32[B, W], see `residuals`; mask: bool[B, W].
          user_bias: float32[B], stars.
          item_bias: float32[B, M], stars.
          item_log_count: float32[B, M], log(1 + ratings of the item).
          user_features: float32[B, NUM_FEATURES], standardised.
        """
        similarity = tf.einsum(
            "bmd,bwd->bmw", tf.math.l2_normalize(item, axis=2), tf.math.l2_normalize(history, axis=2)
        )
        neighbours = [_weighted(similarity / scale, residuals, mask) for scale in _NEIGHBOUR_SCALES]
        ones = tf.ones_like(item_bias)
        user = ones * user_bias[:, tf.newaxis]
        inputs = tf.stack([*neighbours, user, item_bias, item_log_count / 5.0], axis=2)
        x = tf.concat([inputs, ones[:, :, tf.newaxis] * user_features[:, tf.newaxis, :]], axis=2)
        residual = self._mlp(x, training=training)[:, :, 0]
        return self._global_mean + self._scale[0] * user + self._scale[1] * item_bias + residual


# Cosines are divided by these: a few near neighbours, and a broad view.
_NEIGHBOUR_SCALES = (0.05, 0.2)


def _weighted(logits: tf.Tensor, values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """float32[B, M]: mean of values[B, W] by the softmax of logits[B, M, W] where mask[B, W]; else 0."""
    mask = mask[:, tf.newaxis, :]
    weights = tf.nn.softmax(tf.where(mask, logits, -1e9), axis=2) * tf.cast(mask, tf.float32)
    return tf.einsum("bmw,bw->bm", weights, values)


def clip_stars(stars: tf.Tensor) -> tf.Tensor:
    """The rating scale's range; a served rating never lies outside it."""
    return tf.clip_by_value(stars, contract.MIN_RATING, contract.MAX_RATING)
