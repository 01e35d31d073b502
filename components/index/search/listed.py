"""Search among listed items: those that a request names, or that its conditions leave."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from components.common.tensors import take
from components.index.conditions.asked import Asked
from components.index.conditions.conditions import Conditions
from components.index.search.candidates import Candidates, Seen


class ListedSearch(tf.Module):
    """Exact search among some rows of the catalogue; what it costs depends on them alone.

    Args:
      embeddings: float32[N, D].
      shares: float32[N], of the train ratings.
      conditions: the same items' columns.
    """

    def __init__(self, embeddings: tf.Variable, shares: tf.Variable, conditions: Conditions) -> None:
        super().__init__(name="listed_search")
        self._embeddings = embeddings
        self._shares = shares
        self._conditions = conditions

    def __call__(
        self,
        rows: tf.Tensor,
        query: tf.Tensor,
        wanted: Asked,
        seen: Seen,
        width: tf.Tensor,
        popular: tf.Tensor | None = None,
        added: Callable[[tf.Tensor], tf.Tensor] = tf.zeros_like,
    ) -> Candidates:
        """Searches for one request.

        Args:
          rows: int32[X], ascending, each once: where to look.
          query: float32[1, D].
          wanted: the request's conditions.
          seen: the items that must not come back.
          width: int32[], results.
          popular: bool[], whether an item's score is its share of the train ratings; None for no.
          added: (int32[Y]) -> what is added to the scores of these rows.

        Returns:
          Candidates [1, width], best first, the lower row first among equals.
        """
        allowed = ~seen.holds(rows[tf.newaxis])
        allowed &= tf.cond(
            wanted.any(), lambda: self._conditions.allow_rows(wanted, rows[tf.newaxis]), lambda: allowed
        )
        rows = tf.boolean_mask(rows, tf.reshape(allowed, [-1]))

        def products() -> tf.Tensor:
            return tf.linalg.matvec(take(self._embeddings, rows), query[0])

        scores = (
            products() if popular is None else tf.cond(popular, lambda: take(self._shares, rows), products)
        )
        more = tf.cast(added(rows), tf.float32)
        return Candidates(rows[tf.newaxis], (scores + more)[tf.newaxis]).best(width)
