"""What a batch of requests asks of an item, compared with the catalogue by `Conditions`."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from components.index.conditions.postings import Choice


class Asked(NamedTuple):
    """A batch's conditions on C columns of values, S values in all, and R columns of numbers.

    A batch without any condition may have no columns at all: it is compared with nothing.

    Attributes:
      some: bool[B], whether the row has a condition.
      wanted: bool[B, S + 1], values of which a column's items need one; the last place is nobody's.
      wants: bool[B, C], whether the row asks for a value of the column, known or not.
      refused: bool[B, S + 1], values that an item must not have.
      refuses: bool[B, C], whether the row refuses a value of the column.
      low, high: float32[B, R], inclusive; infinite without a bound.
      unequal: float32[B, W], numbers that an item must not have.
      unequal_in: int32[B, W], of which column of numbers; -1 for none.
      choice: by which column the row's items are found without a walk through the catalogue.
    """

    some: tf.Tensor
    wanted: tf.Tensor
    wants: tf.Tensor
    refused: tf.Tensor
    refuses: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor
    unequal: tf.Tensor
    unequal_in: tf.Tensor
    choice: Choice

    @classmethod
    def nothing(cls, batch: tf.Tensor, items: int) -> Asked:
        """No condition, for `batch` rows of a catalogue of `items`."""
        no, none = tf.fill([batch, 0], False), tf.zeros([batch, 0])
        zeros = tf.zeros([batch], tf.int32)
        choice = Choice(zeros, tf.fill([batch], items), zeros, zeros)
        return cls(
            tf.fill([batch], False), no, no, no, no, none, none, none, tf.zeros([batch, 0], tf.int32), choice
        )

    @classmethod
    def specs(cls) -> Asked:
        """The types of a batch of any size."""

        def spec(dtype: tf.DType, dimensions: int = 2) -> tf.TensorSpec:
            return tf.TensorSpec([None] * dimensions, dtype)

        values, numbers, places = spec(tf.bool), spec(tf.float32), spec(tf.int32)
        each = spec(tf.int32, 1)
        some, choice = spec(tf.bool, 1), Choice(each, each, each, each)
        return cls(some, values, values, values, values, numbers, numbers, numbers, places, choice)

    def any(self) -> tf.Tensor:
        """bool[]: whether some row has a condition."""
        return tf.reduce_any(self.some)

    def take(self, rows: tf.Tensor) -> Asked:
        """The conditions of some rows of the batch."""
        taken: Asked = tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), self)
        return taken
