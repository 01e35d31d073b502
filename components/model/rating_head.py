"""Stars for a (history, movie) pair: biases plus a learnt residual."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras

from components import contract
from components.model.history import History
from components.model.params import ModelParams
from components.model.towers import Mlp


class RatingHead(keras.layers.Layer):
    """global mean + user bias + movie bias + MLP(query * movie, biases, features).

    The biases are shrunken means (Koren, "Factor in the Neighbors", TKDD 2010,
    section 2.1): a sum of deviations over its count plus `rating_shrinkage`.
    They are computed from the history and the catalogue, not learnt, so a new
    person has them too.
    """

    def __init__(self, params: ModelParams, global_mean: float) -> None:
        super().__init__(name="rating_head")
        self._shrinkage = params.rating_shrinkage
        self._global_mean = global_mean
        self._mlp = Mlp(params.rating_hidden, 1, params.dropout, "rating_mlp")
        self._scale = self.add_weight(
            name="bias_scale", shape=[2], initializer=keras.initializers.Constant([1.0, 1.0])
        )

    def movie_bias(self, count: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
        """Shrunken deviation of a movie's mean from the global one; any shape.

        Args:
          count: float32, ratings of the movie.
          total: float32, their sum in stars.
        """
        return (total - count * self._global_mean) / (count + self._shrinkage)

    def user_bias(self, history: History, history_movie_bias: tf.Tensor) -> tf.Tensor:
        """float32[B]: shrunken mean of what the user gave above each movie's mean."""
        present = tf.cast(history.mask, tf.float32)
        residual = (history.ratings - self._global_mean - history_movie_bias) * present
        return tf.reduce_sum(residual, axis=1) / (tf.reduce_sum(present, axis=1) + self._shrinkage)

    def call(
        self,
        query: tf.Tensor,
        movie: tf.Tensor,
        user_bias: tf.Tensor,
        movie_bias: tf.Tensor,
        movie_log_count: tf.Tensor,
        user_features: tf.Tensor,
        training: bool = False,
    ) -> tf.Tensor:
        """float32[n] stars (not clipped), one pair a row.

        Args:
          query: float32[n, D]; movie: float32[n, D], unit vectors.
          user_bias, movie_bias: float32[n], stars.
          movie_log_count: float32[n], log(1 + ratings of the movie).
          user_features: float32[n, NUM_FEATURES], standardised.
        """
        cosine = tf.reduce_sum(query * movie, axis=1, keepdims=True)
        biases = tf.stack([user_bias, movie_bias, movie_log_count / 5.0], axis=1)
        x = tf.concat([query * movie * float(query.shape[1]) ** 0.5, cosine, biases, user_features], axis=1)
        residual = self._mlp(x, training=training)[:, 0]
        return self._global_mean + self._scale[0] * user_bias + self._scale[1] * movie_bias + residual


def clip_stars(stars: tf.Tensor) -> tf.Tensor:
    """The rating scale's range; a served rating never lies outside it."""
    return tf.clip_by_value(stars, contract.MIN_RATING, contract.MAX_RATING)
