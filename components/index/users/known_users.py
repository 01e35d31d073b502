"""The histories that a model carries, looked up by user."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

import contract
from components.common.tensors import take
from components.index.users.histories import Histories


class KnownUsers(tf.Module):
    """Compressed sparse rows of events behind a table of user ids.

    Args:
      histories: of at least one user.
    """

    def __init__(self, histories: Histories) -> None:
        super().__init__(name="known_users")
        if not len(histories):
            raise ValueError("a table of known users needs at least one user")
        self._users = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(histories.user_ids, tf.string), tf.range(len(histories), dtype=tf.int64)
            ),
            default_value=-1,
        )

        def variable(values: np.ndarray, name: str) -> tf.Variable:
            # Users who know no item of the catalogue leave nothing to gather from: keep one event.
            return tf.Variable(
                values if len(values) else np.zeros(1, values.dtype), trainable=False, name=name
            )

        self._offsets = variable(histories.offsets, "offsets")
        self._rows = variable(histories.rows, "rows")
        self._ratings = variable(histories.ratings, "ratings")
        self._timestamps = variable(histories.timestamps, "timestamps")

    def lookup(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Finds users.

        Args:
          user_ids: string[B].
          item_ids: string[N], the catalogue.

        Returns:
          bool[B], whether the user is known, and contract.HISTORY_FEATURES,
          each [B, H]; all padding for an unknown user.
        """
        user = self._users.lookup(user_ids)
        known = user >= 0
        place = tf.maximum(user, 0)
        start = take(self._offsets, place)
        length = tf.where(known, take(self._offsets, place + 1) - start, 0)
        column = tf.range(tf.maximum(tf.reduce_max(length), 1))
        inside = column < length[:, tf.newaxis]
        event = tf.where(inside, start[:, tf.newaxis] + column, 0)
        return known, {
            contract.HISTORY_ITEM_IDS: tf.where(
                inside, tf.gather(item_ids, take(self._rows, event)), contract.PAD_ID
            ),
            contract.HISTORY_RATINGS: tf.where(inside, take(self._ratings, event), 0.0),
            contract.HISTORY_TIMESTAMPS: tf.where(inside, take(self._timestamps, event), 0),
        }
