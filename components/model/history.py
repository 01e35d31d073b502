"""What the query tower reads of a history: known items, once each, the last W."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

import contract


class History(NamedTuple):
    """A batch of windowed histories, right-aligned: the newest event is the last column.

    Attributes:
      rows: int32[B, W], catalogue row of each event's item; 0 where masked.
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
        """float32[1, W]: how many events ago, 0 for the newest; right-aligned events have no gaps."""
        return tf.cast(tf.range(tf.shape(self.mask)[1] - 1, -1, -1)[tf.newaxis], tf.float32)


# An event with no stars (a click, a plain "like") reads as this rating.
UNSTARRED_RATING = contract.RELEVANT_RATING


def window(
    rows: tf.Tensor,
    ratings: tf.Tensor,
    timestamps: tf.Tensor,
    known: tf.Tensor,
    size: int,
    *,
    at_most: bool = False,
) -> History:
    """The last `size` distinct known events of each row, right-aligned.

    Of an item's events the first counts, because TensorFlow Serving pads a
    short row by repeating its first element at the end.

    Args:
      rows: int32[B, H] catalogue rows; whatever where `known` is false.
      ratings: float32[B, H], stars; 0 = unknown stars.
      timestamps: int64[B, H].
      known: bool[B, H]: not a pad and in the catalogue.
      size: W.
      at_most: W is min(size, H), with no columns that only pad.
    """
    width = tf.shape(rows, out_type=tf.int64)[1]
    position = tf.range(width)[tf.newaxis, :]
    item = tf.where(known, tf.cast(rows, tf.int64), tf.constant(-1, tf.int64))
    # Sorted by item, then position: the one sort of the whole width. In a batch
    # most of it is padding, so what follows works on W columns.
    step = tf.maximum(width, 1)
    key = tf.sort(item * step + position, axis=1)
    item = key // step
    # Before the first stands a value that no item has.
    before = tf.concat([tf.fill(tf.shape(item[:, :1]), tf.constant(-2, tf.int64)), item[:, :-1]], axis=1)
    first = (item >= 0) & (item != before)
    newest = tf.math.top_k(tf.where(first, key - item * step, -1), tf.minimum(size, tf.shape(rows)[1])).values
    order = tf.reverse(newest, [1])
    keep = order >= 0
    order = tf.maximum(order, 0)

    def take(values: tf.Tensor) -> tf.Tensor:
        values = tf.gather(values, order, batch_dims=1)
        values = tf.where(keep, values, tf.zeros_like(values))
        if at_most:
            return values
        short = tf.maximum(size - tf.shape(values)[1], 0)
        return tf.ensure_shape(tf.pad(values, [[0, 0], [short, 0]]), [None, size])

    stars = tf.where(ratings == 0, UNSTARRED_RATING, ratings)
    return History(take(rows), take(stars), take(timestamps), take(tf.ones_like(known)))
