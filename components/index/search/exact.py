"""Exact search: every item is scored, a block of the catalogue at a time."""

from __future__ import annotations

import tensorflow as tf

from components.index.conditions.filters import ItemFilters, Wanted
from components.index.search.candidates import NOTHING, Candidates, Seen

# Fewer items per block than this would spend more time in the loop than in the product.
_MIN_BLOCK = 1024


class ExactSearch(tf.Module):
    """Best items by dot product, without those seen or filtered out.

    Memory is bounded by `block_scores` scores (and their filter words) held
    at once, whatever the catalogue and the batch; time is that of the full
    product, B x N x D.

    Args:
      embeddings: float32[N, D].
      filters: the same items' genres and years.
      block_scores: scores held at once.
    """

    def __init__(self, embeddings: tf.Variable, filters: ItemFilters, block_scores: int) -> None:
        super().__init__(name="exact_search")
        self._embeddings = embeddings
        self._filters = filters
        self._block_scores = block_scores

    def __call__(
        self, queries: tf.Tensor, wanted: Wanted, seen: Seen, needed: tf.Tensor, width: tf.Tensor, most: int
    ) -> Candidates:
        """Searches.

        Args:
          queries: float32[B, D].
          wanted: the filters of the B rows.
          seen: the items that must not come back.
          needed: int32[B], unused here: an exact row holds all there is.
          width: int32[], results per row.
          most: results that any row of the signature can need, unused here.

        Returns:
          Candidates [B, width], best first, the lower row first among equals.
        """
        del needed, most
        items = self._embeddings.shape[0]
        batch = tf.shape(queries)[0]
        block = tf.maximum(self._block_scores // (tf.maximum(batch, 1) * self._filters.per_score), _MIN_BLOCK)
        embeddings = self._embeddings.read_value()
        filtered = wanted.any()

        def step(start: tf.Tensor, rows: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, ...]:
            stop = tf.minimum(start + block, items)
            found = tf.matmul(queries, embeddings[start:stop], transpose_b=True)
            found = tf.cond(
                filtered,
                lambda: tf.where(self._filters.allow_block(wanted, start, stop), found, NOTHING),
                lambda: found,
            )
            found = _without(seen, found, start, stop)
            here = tf.broadcast_to(tf.range(start, stop)[tf.newaxis], tf.shape(found))
            top = Candidates(here, found).best(tf.minimum(width, stop - start))
            # Earlier blocks stand first, so a tie still goes to the lower row.
            both = Candidates(tf.concat([rows, top.rows], 1), tf.concat([scores, top.scores], 1))
            return stop, *both.best(tf.minimum(width, tf.shape(both.scores)[1]))

        anything = tf.TensorShape([None, None])
        _, rows, scores = tf.while_loop(
            lambda start, *_: start < items,
            step,
            (tf.constant(0), tf.zeros([batch, 0], tf.int32), tf.zeros([batch, 0], tf.float32)),
            shape_invariants=(tf.TensorShape([]), anything, anything),
            # One block after the other: two at once would double the memory.
            parallel_iterations=1,
        )
        return Candidates(rows, scores).best(width)


def _without(seen: Seen, scores: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
    """Empties the places of `scores`, float32[B, stop - start], whose items were seen."""
    places = tf.where((seen.rows >= start) & (seen.rows < stop))
    columns = tf.gather_nd(seen.rows, places) - start
    indices = tf.stack([tf.cast(places[:, 0], tf.int32), columns], axis=1)
    return tf.tensor_scatter_nd_update(scores, indices, tf.fill([tf.shape(indices)[0]], NOTHING))
