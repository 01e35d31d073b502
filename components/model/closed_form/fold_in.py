"""A query's factors from those of its history's items."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import tensorflow as tf


class FoldIn(Protocol):
    """Factors of a query."""

    def __call__(self, weights: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
        """float32[B, R] from the events' weights, float32[B, W], and their items' factors, [B, W, R]."""


class WeightedSum(tf.Module):
    """sum_i w_i y_i: of models whose scores are a sum over the history."""

    def __call__(self, weights: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
        """See `FoldIn`."""
        return tf.einsum("bw,bwr->br", weights, factors)


class LeastSquares(tf.Module):
    """The user of alternating least squares: x = (Y'Y + l I + sum_i w_i (a - 1) y_i y_i')^-1 sum_i w_i a y_i.

    Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008,
    equation 4: an event has preference 1 and confidence a, everything else preference 0 and
    confidence 1. An event of weight w is one that there is with probability w: the expected error is
    minimised.

    Args:
      items: float[N, R], Y.
      regularisation: l, above 0.
      confidence: a, above 0.
    """

    def __init__(self, items: np.ndarray, regularisation: float, confidence: float) -> None:
        super().__init__(name="least_squares")
        items = items.astype(np.float64)
        gram = items.T @ items + regularisation * np.eye(items.shape[1])
        self._gram = tf.Variable(gram.astype(np.float32), trainable=False, name="gram")
        self._confidence = confidence

    def __call__(self, weights: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
        """See `FoldIn`."""
        gram = self._gram + tf.einsum("bw,bwr,bws->brs", weights * (self._confidence - 1.0), factors, factors)
        events = self._confidence * tf.einsum("bw,bwr->br", weights, factors)
        return tf.linalg.cholesky_solve(tf.linalg.cholesky(gram), events[:, :, tf.newaxis])[:, :, 0]
