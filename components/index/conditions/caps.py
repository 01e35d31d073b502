"""At most n results with the same value of a column, as a request writes it: brand=3."""

from __future__ import annotations

import tensorflow as tf

import contract
from components.common.tensors import take
from components.index.conditions import refuse
from components.index.conditions.conditions import Conditions
from contract import refusals

_CAP = r"^\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*0*([1-9]\d{0,8})\s*$"
_ANY_NUMBER = tf.int32.max


class Caps(tf.Module):
    """Which values of the catalogue's items are counted, and how far.

    Args:
      conditions: the catalogue's C columns of values, S values in all.
    """

    def __init__(self, conditions: Conditions) -> None:
        super().__init__(name="caps")
        self._conditions = conditions

    def read(self, at_most: tf.Tensor) -> tf.Tensor:
        """int32[B, C]: most results with the same value of each column; 0 for any number.

        Args:
          at_most: string[B, L], each COLUMN=COUNT; "" is none. What is not of the form, or of no column
            of values, is INVALID_ARGUMENT. Of two on one column the smaller counts.
        """
        columns = len(self._conditions.codes)
        name = tf.strings.regex_replace(at_most, _CAP, r"\1", replace_global=False)
        column = self._conditions.column_of(name)
        given = at_most != contract.PAD_ID
        right = tf.strings.regex_full_match(at_most, _CAP) & (column >= 0) & (column < columns)
        wrong = tf.boolean_mask(at_most, given & ~right)
        known = ", ".join(self._conditions.named_columns) or "nothing, as no column has values"
        with tf.control_dependencies([refuse.any_of(wrong, refusals.COUNT, names=known)]):
            text = tf.strings.regex_replace(at_most, _CAP, r"\2", replace_global=False)
            count = tf.strings.to_number(tf.where(given, text, "0"), tf.int32)
        mine = tf.one_hot(tf.where(given, column, -1), columns, True, False)
        counts = tf.reduce_min(tf.where(mine, count[:, :, tf.newaxis], _ANY_NUMBER), axis=1)
        return tf.where(counts == _ANY_NUMBER, 0, counts)

    def room(self, caps: tf.Tensor) -> tf.Tensor:
        """int32[B, S + 1]: how many items with a value may be taken, by `caps`, int32[B, C]."""
        by_column = tf.where(caps > 0, caps, _ANY_NUMBER)
        by_column = tf.pad(by_column, [[0, 0], [0, 1]], constant_values=_ANY_NUMBER)
        return tf.gather(by_column, self._conditions.postings.columns.read_value(), axis=1)

    def values_of(self, caps: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """int32[B, X, L]: places of the values of `rows`, int32[B, X], in columns that some row caps."""
        nothing = tf.zeros(tf.concat([tf.shape(rows), [0]], axis=0), tf.int32)
        parts = [
            tf.cond(
                tf.reduce_any(caps[:, position] > 0), lambda codes=codes: take(codes, rows), lambda: nothing
            )
            for position, codes in enumerate(self._conditions.codes)
        ]
        return tf.concat([nothing, *parts], axis=2)
