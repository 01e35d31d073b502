"""Items found for a batch of queries, and the few operations every search shares."""

from __future__ import annotations

from collections.abc import Callable
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

    @property
    def count(self) -> tf.Tensor:
        """int32[B], places that are not empty."""
        return tf.reduce_sum(tf.cast(self.present, tf.int32), axis=1)

    def merged(self, others: Candidates, width: tf.Tensor) -> Candidates:
        """The best of both, the lower row first among equals."""
        rows, scores = (tf.concat(pair, axis=1) for pair in zip(self, others, strict=True))
        order = tf.argsort(rows, axis=1, stable=True)
        in_order = (tf.gather(values, order, batch_dims=1) for values in (rows, scores))
        return Candidates(*in_order).best(width)

    def keep(self, mask: tf.Tensor) -> Candidates:
        """Empties the places where `mask`, bool[B, C], is false."""
        return Candidates(self.rows, tf.where(mask, self.scores, NOTHING))

    def replaced(self, at: tf.Tensor, better: Candidates) -> Candidates:
        """With other places, [n, C], for the queries `at`, int32[n]."""
        rows = tf.cast(at, tf.int32)[:, tf.newaxis]
        return Candidates(
            tf.tensor_scatter_nd_update(self.rows, rows, better.rows),
            tf.tensor_scatter_nd_update(self.scores, rows, better.scores),
        )

    @classmethod
    def none(cls, batch: tf.Tensor, width: tf.Tensor) -> Candidates:
        """`width` empty places for each of `batch` queries."""
        return cls(tf.zeros([batch, width], tf.int32), tf.fill([batch, width], NOTHING))

    @classmethod
    def of_each(
        cls, queries: tf.Tensor, answer: Callable[[tf.Tensor], Candidates], width: tf.Tensor
    ) -> Candidates:
        """[n, width]: the answers [1, width] to `queries`, int32[n], one after the other.

        Args:
          queries: which rows of the batch.
          answer: int32[1] -> Candidates [1, width].
          width: places.
        """
        places = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32)

        def one(query: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            found = answer(query[tf.newaxis])
            return tf.reshape(found.rows, [width]), tf.reshape(found.scores, [width])

        # One at a time: memory is that of one request, however large the batch.
        return cls(*tf.map_fn(one, queries, fn_output_signature=places, parallel_iterations=1))

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
