"""What one training step reads."""

from __future__ import annotations

import tensorflow as tf

from components.model.history import History


class _Windows(tf.experimental.ExtensionType):
    """Windows of events, and what came next after them (`History` is no tensor type, so no field)."""

    rows: tf.Tensor
    ratings: tf.Tensor
    timestamps: tf.Tensor
    mask: tf.Tensor
    target: tf.Tensor
    target_rating: tf.Tensor
    now: tf.Tensor
    profile: tf.Tensor

    @property
    def history(self) -> History:
        return History(self.rows, self.ratings, self.timestamps, self.mask)


class Pairs(_Windows):
    """A batch of (prefix, next) pairs.

    Attributes:
      rows, ratings, timestamps, mask: the prefix's window, as in `History`.
      target: int32[B], catalogue row of the next item.
      target_rating: float32[B], stars.
      now: int64[B], time of the next event.
      profile: int32[B], the user's row in the table of profiles; 0 where there is none.
    """


class Sequences(_Windows):
    """A batch of windows of which every event has a next one.

    Attributes:
      rows, ratings, timestamps, mask: [B, W], as in `History`.
      target: int32[B, W], catalogue row of the item after each event.
      target_rating: float32[B, W], stars.
      now: int64[B, W], time of the item after each event.
      profile: int32[B], as in `Pairs`.
    """
