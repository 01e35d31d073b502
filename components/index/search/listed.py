"""Search among listed items: those that a request names, or that its conditions leave."""

from __future__ import annotations

import tensorflow as tf

from components.common.tensors import apart, take
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
        ids, place, flag = (
            tf.TensorSpec(*spec) for spec in (([None], tf.int32), ([], tf.int32), ([], tf.bool))
        )
        query, amounts = tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([None], tf.float32)
        seen = tf.TensorSpec([None, None], tf.int32)
        # One function, however many searches look at listed items.
        self._search = apart(self._among, [ids, query, Asked.specs(), seen, place, flag, ids, amounts])

    def __call__(
        self,
        rows: tf.Tensor,
        query: tf.Tensor,
        wanted: Asked,
        seen: Seen,
        width: tf.Tensor,
        popular: tf.Tensor | bool = False,
        boosted: tf.Tensor | None = None,
        boosts: tf.Tensor | None = None,
    ) -> Candidates:
        """Searches for one request.

        Args:
          rows: int32[X], ascending, each once: where to look.
          query: float32[1, D].
          wanted: the request's conditions.
          seen: the items that must not come back.
          width: int32[], results.
          popular: bool[], whether an item's score is its share of the train ratings.
          boosted: int32[O], rows whose scores are added to; of one that stands twice the first counts.
          boosts: float32[O], what is added.

        Returns:
          Candidates [1, width], best first, the lower row first among equals.
        """
        if boosted is None:
            boosted, boosts = tf.zeros([0], tf.int32), tf.zeros([0])
        found = self._search(
            rows, query, wanted, seen.rows, width, tf.convert_to_tensor(popular), boosted, boosts
        )
        return Candidates(*found)

    def _among(
        self,
        rows: tf.Tensor,
        query: tf.Tensor,
        wanted: Asked,
        seen: tf.Tensor,
        width: tf.Tensor,
        popular: tf.Tensor,
        boosted: tf.Tensor,
        boosts: tf.Tensor,
    ) -> Candidates:
        allowed = ~Seen(seen).holds(rows[tf.newaxis])
        allowed &= tf.cond(
            wanted.any(), lambda: self._conditions.allow_rows(wanted, rows[tf.newaxis]), lambda: allowed
        )
        rows = tf.gather(rows, tf.where(tf.reshape(allowed, [-1]))[:, 0])
        scores = tf.cond(
            popular,
            lambda: take(self._shares, rows),
            lambda: tf.linalg.matvec(take(self._embeddings, rows), query[0]),
        )

        def with_boosts() -> tf.Tensor:
            same = tf.cast(rows[:, tf.newaxis] == boosted, tf.int32)
            amount = tf.gather(boosts, tf.argmax(same, axis=1))  # the first that is
            return scores + tf.where(tf.reduce_any(same > 0, axis=1), amount, 0.0)

        scores = tf.cond(tf.size(boosted) > 0, with_boosts, lambda: scores)
        return Candidates(rows[tf.newaxis], scores[tf.newaxis]).best(width)
