"""Items found for a batch of queries, and the few operations every search shares."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

# Score of an empty place. Inside the graph only: a result holds contract.PAD_SCORE.
NOTHING = float("-inf")


class Candidates(NamedTuple):
    """C places per query.

    Attributes:
      rows: int32[B, C], catalogue rows; any valid row number at an empty place.
      scores: float32[B, C], NOTHING at an empty place.
    """

    rows: tf.Tensor
    scores: tf.Tensor

    @property
    def present(self) -> tf.Tensor:
        """bool[B, C]."""
        return tf.math.is_finite(self.scores)

    def keep(self, mask: tf.Tensor) -> Candidates:
        """Empties the places where `mask`, bool[B, C], is false."""
        return Candidates(self.rows, tf.where(mask, self.scores, NOTHING))

    def best(self, width: tf.Tensor) -> Candidates:
        """The `width` best by score, equal scores in the order they stand; padded if there are fewer."""
        places = tf.shape(self.scores)[1]
        # top_k puts the lower position first among equals.
        top = tf.math.top_k(self.scores, tf.minimum(width, places))
        rows = tf.gather(self.rows, top.indices, batch_dims=1)
        short = [[0, 0], [0, tf.maximum(width - places, 0)]]
        return Candidates(tf.pad(rows, short), tf.pad(top.values, short, constant_values=NOTHING))


class Seen(NamedTuple):
    """Items that must not come back.

    Attributes:
      rows: int32[B, S], ascending; -1 for none.
    """

    rows: tf.Tensor

    @classmethod
    def of(cls, rows: tf.Tensor) -> Seen:
        """From catalogue rows in any order, -1 for none, repeats allowed."""
        return cls(tf.sort(rows, axis=1))

    def take(self, batch_rows: tf.Tensor) -> Seen:
        return Seen(tf.gather(self.rows, batch_rows))

    def holds(self, rows: tf.Tensor) -> tf.Tensor:
        """bool[B, C]: which of `rows`, int32[B, C], are among them."""
        # One -1 in front: searching an empty row would have nothing to look at.
        known = tf.pad(self.rows, [[0, 0], [1, 0]], constant_values=-1)
        # Not tf.searchsorted: it reshapes, which an empty batch does not survive.
        at = tf.raw_ops.UpperBound(sorted_inputs=known, values=rows) - 1
        return tf.gather(known, at, batch_dims=1) == rows
