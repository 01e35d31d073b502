"""Exact search: every item is scored, a block of the catalogue at a time."""

from __future__ import annotations

import tensorflow as tf

from components.common.tensors import apart
from components.index.conditions.asked import Asked
from components.index.conditions.conditions import Conditions
from components.index.search.blocks import MIN_BLOCK, best_in_blocks
from components.index.search.candidates import Candidates, Seen


class ExactSearch(tf.Module):
    """Best items by dot product, without those seen or filtered out.

    Memory is bounded by `block_scores` scores (and their filter words) held
    at once, whatever the catalogue and the batch; time is that of the full
    product, B x N x D.

    Args:
      embeddings: float32[N, D].
      conditions: the same items' columns.
      block_scores: scores held at once.
    """

    def __init__(self, embeddings: tf.Variable, conditions: Conditions, block_scores: int) -> None:
        super().__init__(name="exact_search")
        self._embeddings = embeddings
        self._conditions = conditions
        self._block_scores = block_scores
        rows, width = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.int32)
        queries = tf.TensorSpec([None, embeddings.shape[1]], tf.float32)
        # One function each, however many signatures search exactly or fall back on it.
        self._all = apart(lambda queries, *rest: self._blocks(queries, None, *rest), [queries, rows, width])
        self._asked = apart(self._blocks, [queries, Asked.specs(), rows, width])

    def __call__(
        self,
        queries: tf.Tensor,
        wanted: Asked | None,
        seen: Seen,
        needed: tf.Tensor,
        width: tf.Tensor,
        most: int,
    ) -> Candidates:
        """Searches.

        Args:
          queries: float32[B, D].
          wanted: the conditions of the B rows; None where there can be none.
          seen: the items that must not come back.
          needed: int32[B], unused here: an exact row holds all there is.
          width: int32[], results per row.
          most: results that any row of the signature can need, unused here.

        Returns:
          Candidates [B, width], best first, the lower row first among equals.
        """
        del needed, most
        if wanted is None:
            return Candidates(*self._all(queries, seen.rows, width))
        return Candidates(*self._asked(queries, wanted, seen.rows, width))

    def _blocks(
        self, queries: tf.Tensor, wanted: Asked | None, seen: tf.Tensor, width: tf.Tensor
    ) -> Candidates:
        batch = tf.shape(queries)[0]
        block = tf.maximum(
            self._block_scores // (tf.maximum(batch, 1) * self._conditions.per_score), MIN_BLOCK
        )
        embeddings = self._embeddings.read_value()

        def score(start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
            return tf.matmul(queries, embeddings[start:stop], transpose_b=True)

        items = self._embeddings.shape[0]
        return best_in_blocks(items, block, score, self._conditions, wanted, Seen(seen), width)
