"""Which items have a value, or a number between two bounds: lists that are as long as the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from components.common.tensors import take


class Choice(NamedTuple):
    """For each row of a batch the column whose lists hold the fewest items.

    Attributes:
      column: int32[B], of the C columns of values, then of the R columns of numbers; C + R for a
        row that asks for none.
      size: int32[B], items in its lists, an item as often as it is there; N for such a row.
      begin, end: int32[B], the part of `Postings`' rows where the column is one of numbers.
    """

    column: tf.Tensor
    size: tf.Tensor
    begin: tf.Tensor
    end: tf.Tensor


class Postings(tf.Module):
    """The rows of each value, and those of each column of numbers by number.

    Args:
      codes: for each of C columns int32[N, L], places of an item's values among all S values, each
        once; S for none.
      size: S.
      numbers: float32[N, R], NaN for none.

    Attributes:
      columns: int32[S + 1], the column of each value; C for none.
    """

    def __init__(self, codes: Sequence[np.ndarray], size: int, numbers: np.ndarray) -> None:
        super().__init__(name="postings")
        self._items = len(numbers)
        columns = np.full(size + 1, len(codes), np.int32)
        places, rows = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
        for position, code in enumerate(codes):
            row, slot = np.nonzero(code < size)
            places.append(code[row, slot])
            rows.append(row.astype(np.int32))
            columns[places[-1]] = position
        place = np.concatenate(places)
        counts = np.bincount(place, minlength=size + 1).astype(np.int32)
        order = np.argsort(numbers, axis=0, kind="stable").T.astype(np.int32)  # NaN last
        in_order = np.take_along_axis(numbers, order.T, axis=0).T
        self.columns = _variable(columns, "columns")
        self._counts = _variable(counts, "counts")
        self._starts = _variable((np.cumsum(counts) - counts).astype(np.int32), "starts")
        # Of equal places the lower row stands first: the sort is stable.
        by_place = np.concatenate(rows)[np.argsort(place, kind="stable")]
        self._rows = _variable(np.concatenate([by_place, order.ravel()]), "rows")
        self._numbers = _variable(np.where(np.isnan(in_order), np.inf, in_order), "numbers")
        self._known = tf.constant((~np.isnan(numbers)).sum(axis=0).astype(np.int32))
        self._bases = tf.constant(len(by_place) + np.arange(numbers.shape[1], dtype=np.int32) * self._items)

    def choose(self, values: tf.Tensor, columns: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> Choice:
        """See `Choice`.

        Args:
          values: bool[B, S + 1], those asked for.
          columns: bool[B, C], whether any is asked for of a column.
          low, high: float32[B, R], inclusive; infinite without a bound.
        """
        shape = tf.shape(columns)
        at = tf.where(values)
        column = take(self.columns, at[:, 1])
        by_column = tf.scatter_nd(
            tf.stack([tf.cast(at[:, 0], tf.int32), column], axis=1),
            take(self._counts, at[:, 1]),
            shape,
        )
        # A column without a condition leaves everything.
        sizes = [tf.where(columns, by_column, self._items), tf.fill([shape[0], 1], self._items)]
        begin = end = tf.zeros([shape[0], 0], tf.int32)
        if self._numbers.shape[0]:
            numbers = self._numbers.read_value()
            # One column after the other of [R, N] and [R, B]; the raw operations take an empty batch.
            first = tf.raw_ops.LowerBound(sorted_inputs=numbers, values=tf.transpose(low))
            past = tf.raw_ops.UpperBound(sorted_inputs=numbers, values=tf.transpose(high))
            past = tf.minimum(past, self._known[:, tf.newaxis])
            begin, end = tf.transpose(first), tf.transpose(tf.maximum(first, past))
            bounded = (low > -np.inf) | (high < np.inf)
            sizes.insert(1, tf.where(bounded, end - begin, self._items))
            begin, end = begin + self._bases, end + self._bases
        every = tf.concat(sizes, axis=1)
        chosen = tf.argmin(every, axis=1, output_type=tf.int32)
        number = tf.one_hot(chosen - shape[1], self._numbers.shape[0], True, False)
        return Choice(
            chosen,
            tf.reduce_min(every, axis=1),
            tf.reduce_sum(tf.where(number, begin, 0), axis=1),
            tf.reduce_sum(tf.where(number, end, 0), axis=1),
        )

    def rows(self, values: tf.Tensor, choice: Choice) -> tf.Tensor:
        """int32[X], ascending, each once: the items in the lists of a batch of one that chose a column."""
        places = tf.where(values[0] & (self.columns.read_value() == choice.column[0]))[:, 0]
        starts = tf.concat([take(self._starts, places), choice.begin], axis=0)
        counts = tf.concat([take(self._counts, places), choice.end - choice.begin], axis=0)
        found = take(self._rows, tf.ragged.range(starts, starts + counts).flat_values)
        # The list of a single value is in order already.
        in_order = (tf.size(places) == 1) & (choice.begin[0] == choice.end[0])
        return tf.cond(in_order, lambda: found, lambda: ascending(found))


def ascending(rows: tf.Tensor) -> tf.Tensor:
    """int32[X] in order, each once."""
    ordered = tf.sort(rows)
    first = tf.concat([ordered[:1] >= 0, ordered[1:] != ordered[:-1]], axis=0)
    return tf.gather(ordered, tf.where(first)[:, 0])


def _variable(values: np.ndarray, name: str) -> tf.Variable:
    return tf.Variable(values, trainable=False, name=name)
