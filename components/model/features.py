"""Movie features as the towers read them.

One structure for both ways in: rows gathered from the catalogue (training,
index) and single movies from a request (`embed_movie`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf


class MovieFeatures(NamedTuple):
    """Transformed features of n movies; lists are padded with -1 (indices) and 0 (weights).

    Attributes:
      movie_index: int32[n], row of the movie vocabulary; its size if unknown.
      genre_indices: int32[n, G].
      tag_indices: int32[n, T].
      tag_weights: float32[n, T], TF-IDF.
      year_scaled: float32[n].
      year_known: float32[n], 1 or 0.
      popularity_scaled: float32[n], z-score of log(1 + rating_count).
    """

    movie_index: tf.Tensor
    genre_indices: tf.Tensor
    tag_indices: tf.Tensor
    tag_weights: tf.Tensor
    year_scaled: tf.Tensor
    year_known: tf.Tensor
    popularity_scaled: tf.Tensor

    def gather(self, rows: tf.Tensor) -> MovieFeatures:
        """Features of the movies at `rows` (int[n])."""
        return MovieFeatures(*(tf.gather(feature, rows) for feature in self))


class Popularity(NamedTuple):
    """How popularity enters the tower, and how it changes when one rating is taken out.

    popularity_scaled = (log(1 + count) - mean) / std, as Transform fitted it.
    """

    mean: float
    std: float

    def scale(self, count: tf.Tensor) -> tf.Tensor:
        return (tf.math.log1p(tf.maximum(count, 0.0)) - self.mean) / self.std

    @classmethod
    def recover(cls, count: np.ndarray, scaled: np.ndarray) -> Popularity:
        """The affine map that took `log1p(count)` to `scaled`, both [N].

        Reading it back from the pairs keeps Transform the only place that
        defines the scaling. A constant column means scaling is the zero map.
        """
        logs = np.log1p(count.astype(np.float64))
        low, high = int(np.argmin(logs)), int(np.argmax(logs))
        if logs[high] == logs[low] or scaled[high] == scaled[low]:
            return cls(float(logs[low]), 1.0)
        std = (logs[high] - logs[low]) / (float(scaled[high]) - float(scaled[low]))
        return cls(float(logs[low] - std * float(scaled[low])), float(std))
