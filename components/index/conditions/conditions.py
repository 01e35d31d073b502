"""Conditions on any column of the catalogue, as a request writes them: brand=acme, price<=20.

Of the conditions on one column of values any must hold, of those on one column of
numbers all; every column's must. An item without a value or number meets none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import tensorflow as tf

import contract
from components.common.dense_columns import dense_numbers, dense_strings
from components.common.features import FeatureSpec
from components.common.tensors import take
from components.index.conditions import refuse
from contract import refusals

_CONDITION = r"^\s*([A-Za-z][A-Za-z0-9_]*)\s*(<=|>=|=)\s*(?s:(.*?))\s*$"
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_INFINITY = float("inf")


class Asked(NamedTuple):
    """A batch's conditions on C columns of values, S values in all, and R columns of numbers.

    Attributes:
      values: bool[B, S + 1], the values that are asked for; the last place is nobody's.
      columns: bool[B, C], whether a row asks for a value of the column at all, known or not.
      low, high: float32[B, R], inclusive; infinite without a bound.
    """

    values: tf.Tensor
    columns: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor

    def any(self) -> tf.Tensor:
        """bool[]: whether some row has a condition."""
        bounded = tf.reduce_any(self.low > -_INFINITY) | tf.reduce_any(self.high < _INFINITY)
        return tf.reduce_any(self.columns) | bounded

    def take(self, rows: tf.Tensor) -> Asked:
        """The conditions of some rows of the batch."""
        return Asked(*(tf.gather(tensor, rows) for tensor in self))


class Conditions(tf.Module):
    """The catalogue's columns, ready to be compared with a batch.

    Args:
      table: the catalogue, contract.ITEM_FEATURES and the own features' columns.
      specs: its features; those that filter are columns here.
    """

    def __init__(self, table: pa.Table, specs: Sequence[FeatureSpec]) -> None:
        super().__init__(name="conditions")
        numbers = [spec.name for spec in specs if spec.filters and spec.kind == "number"]
        columns = [spec.name for spec in specs if spec.filters and spec.kind != "number"]
        self._number_names, self._column_names = numbers, columns
        cells = [dense_strings(table.column(name)) for name in columns]
        keys: list[bytes] = []
        codes = []
        for name, strings in zip(columns, cells, strict=True):
            words, index = np.unique(strings, return_inverse=True)
            place = np.cumsum(words != contract.PAD_ID) - 1 + len(keys)
            # The pad's place is filled in below, when S is known.
            codes.append(np.where(words == contract.PAD_ID, -1, place)[index].reshape(strings.shape))
            keys += [name.encode() + b"=" + word for word in words if word != contract.PAD_ID]
        self._size = len(keys)
        self._codes = [
            tf.Variable(np.where(code < 0, self._size, code).astype(np.int32), trainable=False, name=name)
            for name, code in zip(columns, codes, strict=True)
        ]
        table_numbers = [_numbers(table.column(name)) for name in numbers]
        self._numbers = tf.Variable(
            np.stack(table_numbers, axis=1) if numbers else np.zeros((len(table), 0), np.float32),
            trainable=False,
            name="numbers",
        )
        self._values = _table(keys or [contract.PAD_ID], self._size)
        self._names = _table([name.encode() for name in (*columns, *numbers)] or [contract.PAD_ID], -1)

    @property
    def longest(self) -> int:
        """Most values of an item in one column, at least 1."""
        return max((code.shape[1] for code in self._codes), default=1)

    def ask(self, where: tf.Tensor) -> Asked:
        """Reads conditions, string[B, W]; "" is none, and capitals in a column's name do not count.

        One that is not of the form, or of no column here, is INVALID_ARGUMENT.
        """
        name, operator, value = (
            tf.strings.regex_replace(where, _CONDITION, rf"\{part}", replace_global=False)
            for part in (1, 2, 3)
        )
        name = tf.strings.lower(name)
        given = where != contract.PAD_ID
        column = tf.where(given, self._names.lookup(name), -1)
        of_values = (column >= 0) & (column < len(self._column_names))
        of_numbers = column >= len(self._column_names)
        right = of_values & (operator == "=") | of_numbers & tf.strings.regex_full_match(value, _NUMBER)
        right &= tf.strings.regex_full_match(where, _CONDITION)
        wrong = tf.boolean_mask(where, given & ~right)
        none_wrong = tf.equal(tf.size(wrong), 0)
        with tf.control_dependencies(
            [refuse.unless(none_wrong, refusals.CONDITION, wrong, forms=self._forms)]
        ):
            place = self._values.lookup(tf.strings.join([name, value], "="))
        batch = tf.shape(where, out_type=tf.int64)[0]
        # An unknown value lets nothing through; its place is also that of missing ones.
        at = tf.where(of_values & (place < self._size))
        places = tf.stack([at[:, 0], tf.cast(tf.gather_nd(place, at), tf.int64)], axis=1)
        nothing = tf.fill([batch, self._size + 1], False)
        values = tf.tensor_scatter_nd_update(nothing, places, tf.ones_like(places[:, 0], tf.bool))
        columns = tf.reduce_any(tf.one_hot(column, len(self._column_names), True, False), axis=1)
        number = tf.strings.to_number(tf.where(of_numbers & right, value, "0"))
        with tf.control_dependencies(
            [tf.debugging.assert_all_finite(number, "where: a bound must be a finite number")]
        ):
            number = tf.identity(number)
        low, high = [], []
        for position in range(len(self._number_names)):
            here = column == len(self._column_names) + position
            low.append(tf.reduce_max(tf.where(here & (operator != "<="), number, -_INFINITY), axis=1))
            high.append(tf.reduce_min(tf.where(here & (operator != ">="), number, _INFINITY), axis=1))
        none = tf.zeros([batch, 0])
        return Asked(
            values,
            columns,
            tf.stack(low, axis=1) if low else none,
            tf.stack(high, axis=1) if high else none,
        )

    def allow_rows(self, asked: Asked, rows: tf.Tensor) -> tf.Tensor:
        """bool[B, X]: which of each row's candidates `rows` (int32[B, X]) meet all conditions."""
        return self._allow(asked, [take(code, rows) for code in self._codes], take(self._numbers, rows))

    def allow_block(self, asked: Asked, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        """bool[B, stop - start]: which of a block of the catalogue do."""
        codes = [code[start:stop][tf.newaxis] for code in self._codes]
        return self._allow(asked, codes, self._numbers[start:stop][tf.newaxis])

    def _allow(self, asked: Asked, codes: list[tf.Tensor], numbers: tf.Tensor) -> tf.Tensor:
        """codes int32[B or 1, X, L], numbers float32[B or 1, X, R] -> bool[B, X]."""
        low, high = asked.low[:, tf.newaxis], asked.high[:, tf.newaxis]
        # A missing number is NaN, which no comparison holds for.
        inside = (numbers >= low) & (numbers <= high) | (low == -_INFINITY) & (high == _INFINITY)
        allowed = tf.reduce_all(inside, axis=2)
        for position, code in enumerate(codes):
            batch = tf.shape(asked.values)[0]
            code = tf.broadcast_to(code, tf.concat([[batch], tf.shape(code)[1:]], axis=0))
            met = tf.reduce_any(tf.gather(asked.values, code, batch_dims=1), axis=2)
            allowed &= met | ~asked.columns[:, position, tf.newaxis]
        return allowed

    @property
    def _forms(self) -> str:
        known = []
        if self._column_names:
            known.append(f"COLUMN=VALUE for {', '.join(self._column_names)}")
        if self._number_names:
            names = ", ".join(self._number_names)
            known.append(f"COLUMN<=NUMBER, COLUMN>=NUMBER or COLUMN=NUMBER for {names}")
        return " and ".join(known) or "nothing, as no column filters"


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """float32[N], NaN where there is none: the contract's years are whole numbers, 0 for none."""
    if pa.types.is_integer(column.type):
        values = np.asarray(column, np.float32)
        return np.where(values == 0, np.float32(np.nan), values)
    values = dense_numbers(column)
    return np.where(values == np.float32(contract.UNKNOWN_NUMBER), np.float32(np.nan), values)


def _table(keys: list[bytes], default: int) -> tf.lookup.StaticHashTable:
    initial = tf.lookup.KeyValueTensorInitializer(
        tf.constant(keys, tf.string), tf.range(len(keys), dtype=tf.int32)
    )
    return tf.lookup.StaticHashTable(initial, default)
