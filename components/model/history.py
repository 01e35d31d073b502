"""What the query tower reads of a history: known movies, once each, the last W."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from components import contract


class History(NamedTuple):
    """A batch of windowed histories, right-aligned: the newest event is the last column.

    Attributes:
      rows: int32[B, W], catalogue row of each event's movie; 0 where masked.
      ratings: float32[B, W], stars; 0 where masked.
      timestamps: int64[B, W], Unix seconds, 0 = unknown.
      mask: bool[B, W], true where there is an event.
    """

    rows: tf.Tensor
    ratings: tf.Tensor
    timestamps: tf.Tensor
    mask: tf.Tensor

    @property
    def ages(self) -> tf.Tensor:
        """float32[B, W]: how many events ago, 0 for the newest."""
        present = tf.cast(self.mask, tf.float32)
        return tf.cumsum(present, axis=1, reverse=True, exclusive=True)


# An event with no stars (a click, a plain "like") reads as this rating.
UNSTARRED_RATING = contract.RELEVANT_RATING


def first_occurrence(rows: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """bool[B, H]: known and not seen earlier in the row.

    The first occurrence counts, because TensorFlow Serving pads a short row
    by repeating its first element at the end. Sorting keeps it O(H log H).
    """
    width = tf.shape(rows, out_type=tf.int64)[1]
    position = tf.range(width)[tf.newaxis, :]
    movie = tf.where(known, tf.cast(rows, tf.int64), tf.constant(-1, tf.int64))
    order = tf.argsort(movie * tf.maximum(width, 1) + position, axis=1)
    in_order = tf.gather(movie, order, batch_dims=1)
    # Prepend a value that no movie has: the first of a row is always new.
    before = tf.concat(
        [tf.fill(tf.shape(in_order[:, :1]), tf.constant(-2, tf.int64)), in_order[:, :-1]], axis=1
    )
    is_new = tf.not_equal(in_order, before)
    back = tf.argsort(order, axis=1)
    return tf.gather(is_new, back, batch_dims=1) & known


def window(
    rows: tf.Tensor, ratings: tf.Tensor, timestamps: tf.Tensor, known: tf.Tensor, size: int
) -> History:
    """The last `size` distinct known events of each row, right-aligned.

    Args:
      rows: int32[B, H] catalogue rows; whatever where `known` is false.
      ratings: float32[B, H], stars; 0 = unknown stars.
      timestamps: int64[B, H].
      known: bool[B, H]: not a pad and in the catalogue.
      size: W.
    """
    keep = first_occurrence(rows, known)
    width = tf.shape(rows)[1]
    position = tf.range(width)[tf.newaxis, :]
    # Kept events sort behind dropped ones and stay in their order.
    order = tf.argsort(tf.where(keep, position + width, position), axis=1)[:, -size:]
    ratings = tf.where(ratings == 0, UNSTARRED_RATING, ratings)

    def take(values: tf.Tensor) -> tf.Tensor:
        values = tf.gather(tf.where(keep, values, tf.zeros_like(values)), order, batch_dims=1)
        short = tf.maximum(size - tf.shape(values)[1], 0)
        return tf.ensure_shape(tf.pad(values, [[0, 0], [short, 0]]), [None, size])

    return History(take(rows), take(ratings), take(timestamps), take(keep))
