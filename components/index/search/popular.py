"""The popular list: the most rated items that a request lets through."""

from __future__ import annotations

import tensorflow as tf

from components.common.tensors import apart
from components.index.conditions.asked import Asked
from components.index.conditions.conditions import Conditions
from components.index.search.blocks import MIN_BLOCK, best_in_blocks
from components.index.search.candidates import Candidates, Seen

# Rows are in the list's order already: a first block holds what most requests need.
_BLOCK = 4 * MIN_BLOCK


class PopularList(tf.Module):
    """The most rated items, scored by their share of the train ratings.

    The catalogue is walked in its own order, most rated first, and only until every row has
    what it needs: without a strict filter that is one block, however large the catalogue.

    Args:
      shares: float32[N], descending.
      conditions: the same items' columns.
      block_scores: scores held at once.
    """

    def __init__(self, shares: tf.Variable, conditions: Conditions, block_scores: int) -> None:
        super().__init__(name="popular_list")
        self._shares = shares
        self._conditions = conditions
        self._block_scores = block_scores
        rows, each = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)
        width = tf.TensorSpec([], tf.int32)
        # One function each, however many signatures list what is popular.
        self._all = apart(lambda *rest: self._blocks(None, *rest), [rows, each, width])
        self._asked = apart(self._blocks, [Asked.specs(), rows, each, width])

    def __call__(self, wanted: Asked | None, seen: Seen, needed: tf.Tensor, width: tf.Tensor) -> Candidates:
        """Lists.

        Args:
          wanted: the conditions of the B rows; None where there can be none.
          seen: the items that must not come back.
          needed: int32[B], results that make a row complete, at most `width`; a row of 0 may be left short.
          width: int32[], results per row.

        Returns:
          Candidates [B, width], the most rated first.
        """
        if wanted is None:
            return Candidates(*self._all(seen.rows, needed, width))
        return Candidates(*self._asked(wanted, seen.rows, needed, width))

    def _blocks(
        self, wanted: Asked | None, seen: tf.Tensor, needed: tf.Tensor, width: tf.Tensor
    ) -> Candidates:
        batch = tf.maximum(tf.shape(needed)[0], 1)
        block = tf.clip_by_value(
            self._block_scores // (batch * self._conditions.per_score), MIN_BLOCK, _BLOCK
        )
        shares = self._shares.read_value()

        def score(start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
            return tf.broadcast_to(shares[start:stop], [tf.shape(needed)[0], stop - start])

        def complete(found: Candidates) -> tf.Tensor:
            return tf.reduce_all(found.count >= needed)

        items = self._shares.shape[0]
        return best_in_blocks(items, block, score, self._conditions, wanted, Seen(seen), width, complete)
