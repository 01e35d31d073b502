"""Recall@k on the eval split against the whole catalogue: what early stopping watches."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

import contract
from components.common.metrics.hits import Hits
from components.common.metrics.recall import recall
from components.model.batches import Pairs
from components.model.protocols import Model
from components.trainer.inputs.events import Events, Windows

# Scores held at once: a block of queries times the catalogue, float32.
_SCORES_PER_BLOCK = 32 * 1024 * 1024
# Events of histories read at once. What attention holds of them should stay within a processor's caches:
# 6,040 windows of 200 at once took three times as long as 64 by 64.
_EVENTS_PER_BLOCK = 12_800


class EvalRecall:
    """Recall@k, mean over the records that have a relevant target.

    Relevant = rated at least contract.RELEVANT_RATING; every item competes but those of the history.

    Args:
      model: what is measured.
      histories: of the eval split, one record a user.
      targets: of the same records.
      ks: the k's, e.g. (10, 20, 100).
      at_most: records; of more, so many are drawn, always the same.
    """

    def __init__(
        self,
        model: Model,
        histories: Events,
        targets: Events,
        ks: tuple[int, ...],
        at_most: int | None = None,
    ) -> None:
        self._model = model
        self._ks = ks
        self._histories = histories
        relevant = targets.ratings >= contract.RELEVANT_RATING
        owner = np.repeat(np.arange(len(targets.offsets) - 1), np.diff(targets.offsets))
        self.users = np.unique(owner[relevant])
        if at_most is not None and len(self.users) > at_most:
            self.users = np.sort(np.random.default_rng(0).choice(self.users, at_most, replace=False))
        spans = [slice(*targets.offsets[user : user + 2]) for user in self.users]
        self._relevant = [np.unique(targets.rows[span][relevant[span]]) for span in spans]
        # The request comes when the first target is about to be watched, as in training.
        self._now = targets.timestamps[targets.offsets[self.users]]
        self._windows = Windows(histories, model.params.history_window)
        self._query = tf.function(self._embed_queries, autograph=False, reduce_retracing=True)

    def _embed_queries(self, pairs: Pairs) -> tf.Tensor:
        return self._model.embed_query(pairs.history, pairs.now, pairs.profile)

    def __call__(self) -> dict[int, float]:
        """k -> Recall@k; empty when no eval user has a relevant target."""
        if not len(self.users):
            return {}
        items = self._model.embed_catalogue()
        window = self._model.params.history_window
        block = max(1, min(_SCORES_PER_BLOCK // self._model.catalogue.size, _EVENTS_PER_BLOCK // window))
        depth = min(max(self._ks), self._model.catalogue.size)
        recalls = []
        for start in range(0, len(self.users), block):
            users = self.users[start : start + block]
            low, high = self._histories.offsets[users], self._histories.offsets[users + 1]
            now = self._now[start : start + block]
            queries = self._query(self._windows.whole(tf.constant(low), tf.constant(high), tf.constant(now)))
            scores = tf.linalg.matmul(queries, items, transpose_b=True).numpy()
            for i, (first, last) in enumerate(zip(low, high, strict=True)):
                scores[i, self._histories.rows[first:last]] = -np.inf
            top = tf.math.top_k(scores, depth).indices.numpy()
            relevant = self._relevant[start : start + block]
            at = np.array([np.isin(ranked, rows) for ranked, rows in zip(top, relevant, strict=True)])
            hits = Hits(at, np.array([len(rows) for rows in relevant]))
            recalls.append([recall(hits, k) for k in self._ks])
        means = np.concatenate(recalls, axis=1).mean(axis=1)
        return dict(zip(self._ks, means.tolist(), strict=True))
