"""Conditions on any column of the catalogue, as a request writes them: brand=acme, brand!=acme, price<=20.

Of the conditions with = on one column of values any must hold, of those on one column of
numbers all, of those with != all; every column's must. An item without a value or number
meets none but those with !=.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

import contract
from components.common.dense_columns import dense_numbers, dense_strings
from components.common.features import MOVIELENS, FeatureSpec
from components.common.tensors import apart, take
from components.index.conditions import refuse
from components.index.conditions.asked import Asked
from components.index.conditions.postings import Postings
from contract import refusals

_CONDITION = r"^\s*([A-Za-z][A-Za-z0-9_]*)\s*(<=|>=|!=|=)\s*(?s:(.*?))\s*$"
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_INFINITY = float("inf")


class Conditions(tf.Module):
    """The catalogue's columns, ready to be compared with a batch.

    Args:
      table: the catalogue, contract.ITEM_FEATURES and the own features' columns.
      specs: its features; those that filter are columns here. The contract's own genres and years
        are too, so that a request may filter by them, but only by their own inputs.

    Attributes:
      named_columns: names of the columns of values that a request may use.
      codes: for each of the C columns of values int32[N, L], places of an item's values among all S
        values, each once; S for none.
      postings: the same by value.
    """

    def __init__(self, table: pa.Table, specs: Sequence[FeatureSpec] = MOVIELENS) -> None:
        super().__init__(name="conditions")
        self._items = len(table)
        numbers, columns = _names(specs, numbers=True), _names(specs, numbers=False)
        self.named_columns, self._named_numbers = columns, numbers
        own = [spec for spec in MOVIELENS if spec.name in table.column_names]
        self._columns = list(dict.fromkeys([*columns, *_names(own, numbers=False)]))
        self._numbers = list(dict.fromkeys([*numbers, *_names(own, numbers=True)]))
        codes, keys = _numbered(table, self._columns)
        self._size = len(keys)
        values = [_cells(table.column(name)) for name in self._numbers]
        array = np.stack(values, axis=1) if values else np.zeros((len(table), 0), np.float32)
        self.codes = [
            tf.Variable(code, trainable=False, name=name)
            for name, code in zip(self._columns, codes, strict=True)
        ]
        self._values = tf.Variable(array, trainable=False, name="numbers")
        self.postings = Postings(codes, self._size, array)
        self._places = _table(dict(zip(keys, range(self._size), strict=True)), self._size)
        after = len(self._columns)
        places = {name: self._columns.index(name) for name in columns}
        places |= {name: after + self._numbers.index(name) for name in numbers}
        self._names = _table({name.encode(): place for name, place in places.items()}, -1)
        each, row = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.int32)
        self._allow_rows = apart(
            lambda asked, rows: self._allow(asked, lambda table: take(table, rows)), [Asked.specs(), each]
        )
        self._allow_block = apart(
            lambda asked, start, stop: self._allow(asked, lambda table: table[start:stop][tf.newaxis]),
            [Asked.specs(), row, row],
        )

    @property
    def per_score(self) -> int:
        """Values of an item that one comparison holds beside its score, at least 1."""
        return max((code.shape[1] for code in self.codes), default=1)

    def column_of(self, name: tf.Tensor) -> tf.Tensor:
        """int32, which column a name is of: below C one of values, then the numbers; -1 for none."""
        return self._names.lookup(tf.strings.lower(name))

    def ask(
        self,
        where: tf.Tensor,
        genres: tf.Tensor | None = None,
        year_min: tf.Tensor | None = None,
        year_max: tf.Tensor | None = None,
    ) -> Asked:
        """Reads conditions, string[B, W]; "" is none, and capitals in a column's name do not count.

        One that is not of the form, or of no column here, is INVALID_ARGUMENT.

        Args:
          where: the conditions.
          genres: string[B, G], as conditions "genres=..."; "" is none.
          year_min, year_max: int32[B], as "year>=..." and "year<=..."; 0 is none.
        """
        batch = tf.shape(where)[0]
        nothing = tf.fill([batch, 0], contract.PAD_ID)
        zeros = tf.zeros([batch], tf.int32)
        given = (
            where,
            nothing if genres is None else genres,
            zeros if year_min is None else year_min,
            zeros if year_max is None else year_max,
        )
        some = tf.reduce_any(where != contract.PAD_ID, axis=1)
        if genres is not None:
            some |= tf.reduce_any(genres != contract.PAD_ID, axis=1)
        some |= (given[2] > 0) | (given[3] > 0)
        none = Asked.nothing(batch, self._items)

        def read() -> list[tf.Tensor]:
            return tf.nest.flatten(self._read(some, *given))

        found = tf.cond(tf.reduce_any(some), apart(read), lambda: tf.nest.flatten(none))
        asked: Asked = tf.nest.pack_sequence_as(none, found)
        return asked

    def _read(
        self, some: tf.Tensor, where: tf.Tensor, genres: tf.Tensor, year_min: tf.Tensor, year_max: tf.Tensor
    ) -> Asked:
        name, operator, value = (
            tf.strings.regex_replace(where, _CONDITION, rf"\{part}", replace_global=False)
            for part in (1, 2, 3)
        )
        name = tf.strings.lower(name)
        given = where != contract.PAD_ID
        column = tf.where(given, self.column_of(name), -1)
        of_values = (column >= 0) & (column < len(self._columns))
        of_numbers = column >= len(self._columns)
        refusing = operator == "!="
        right = of_values & ((operator == "=") | refusing)
        right |= of_numbers & tf.strings.regex_full_match(value, NUMBER)
        right &= tf.strings.regex_full_match(where, _CONDITION)
        wrong = tf.boolean_mask(where, given & ~right)
        with tf.control_dependencies([refuse.any_of(wrong, refusals.CONDITION, forms=self._forms)]):
            place = tf.where(of_values, self._places.lookup(tf.strings.join([name, value], "=")), self._size)
        number = tf.strings.to_number(tf.where(of_numbers & right, value, "0"))
        beyond = tf.boolean_mask(where, ~tf.math.is_finite(number))
        with tf.control_dependencies([refuse.any_of(beyond, refusals.BOUND)]):
            number = tf.identity(number)
        wanted, wants = tf.where(refusing, self._size, place), tf.where(refusing, -1, column)
        if contract.GENRES in self._columns:
            by_genre = genres != contract.PAD_ID
            keys = tf.strings.join([contract.GENRES + "=", genres])
            wanted = tf.concat([wanted, tf.where(by_genre, self._places.lookup(keys), self._size)], axis=1)
            genre = self._columns.index(contract.GENRES)
            wants = tf.concat([wants, tf.where(by_genre, genre, -1)], axis=1)
        low, high = [], []
        for position, own in enumerate(self._numbers):
            here = (column == len(self._columns) + position) & ~refusing
            least = tf.reduce_max(tf.where(here & (operator != "<="), number, -_INFINITY), axis=1)
            most = tf.reduce_min(tf.where(here & (operator != ">="), number, _INFINITY), axis=1)
            if own == contract.YEAR:
                bounds = tf.cast(year_min, tf.float32), tf.cast(year_max, tf.float32)
                least = tf.maximum(least, tf.where(year_min > 0, bounds[0], -_INFINITY))
                most = tf.minimum(most, tf.where(year_max > 0, bounds[1], _INFINITY))
            low.append(least)
            high.append(most)
        none = tf.zeros([tf.shape(where)[0], 0])
        lowest, highest = (tf.stack(bound, axis=1) if bound else none for bound in (low, high))
        values, columns = self._among_values(wanted), self._among_columns(wants)
        return Asked(
            some,
            values,
            columns,
            self._among_values(tf.where(refusing, place, self._size)),
            self._among_columns(tf.where(refusing & of_values, column, -1)),
            lowest,
            highest,
            number,
            tf.where(refusing & of_numbers, column - len(self._columns), -1),
            self.postings.choose(values, columns, lowest, highest),
        )

    def _among_values(self, places: tf.Tensor) -> tf.Tensor:
        """int32[B, X] -> bool[B, S + 1]; place S, of unknown and missing values, stays nobody's."""
        at = tf.where(places < self._size)
        indices = tf.stack([at[:, 0], tf.cast(tf.gather_nd(places, at), tf.int64)], axis=1)
        shape = tf.stack([tf.shape(places, out_type=tf.int64)[0], self._size + 1])
        return tf.tensor_scatter_nd_update(tf.fill(shape, False), indices, tf.fill([tf.shape(at)[0]], True))

    def _among_columns(self, columns: tf.Tensor) -> tf.Tensor:
        """int32[B, X] -> bool[B, C]."""
        return tf.reduce_any(tf.one_hot(columns, len(self._columns), True, False), axis=1)

    def listed(self, asked: Asked) -> tf.Tensor:
        """int32[X], ascending: rows that hold all that a batch of one asks for, and few others."""
        return self.postings.rows(asked.wanted, asked.choice)

    def allow_rows(self, asked: Asked, rows: tf.Tensor) -> tf.Tensor:
        """bool[B, X]: which of each row's candidates `rows` (int32[B, X]) meet all conditions."""
        allowed: tf.Tensor = self._allow_rows(asked, rows)
        return allowed

    def allow_block(self, asked: Asked, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        """bool[B, stop - start]: which of a block of the catalogue do."""
        allowed: tf.Tensor = self._allow_block(asked, start, stop)
        return allowed

    def _allow(self, asked: Asked, part: Callable[[tf.Variable], tf.Tensor]) -> tf.Tensor:
        """part: [N, X] -> [B or 1, X, L] of a table -> bool[B, X]."""
        numbers = part(self._values)
        low, high = asked.low[:, tf.newaxis], asked.high[:, tf.newaxis]
        # A missing number is NaN, which no comparison holds for.
        inside = (numbers >= low) & (numbers <= high) | (low == -_INFINITY) & (high == _INFINITY)
        allowed = tf.reduce_all(inside, axis=2)
        allowed = tf.cond(
            tf.reduce_any(asked.unequal_in >= 0), lambda: allowed & ~_equal(asked, numbers), lambda: allowed
        )
        for position, codes in enumerate(self.codes):
            wants = asked.wants[:, position, tf.newaxis]
            refuses = asked.refuses[:, position, tf.newaxis]

            def met(codes: tf.Variable, wants: tf.Tensor, allowed: tf.Tensor) -> tf.Tensor:
                code = part(codes)
                code = tf.broadcast_to(
                    code, tf.concat([tf.shape(asked.wanted)[:1], tf.shape(code)[1:]], axis=0)
                )
                has = tf.reduce_any(tf.gather(asked.wanted, code, batch_dims=1), axis=2)
                has_not = ~tf.reduce_any(tf.gather(asked.refused, code, batch_dims=1), axis=2)
                return allowed & (has | ~wants) & has_not

            allowed = tf.cond(
                tf.reduce_any(wants | refuses),
                lambda codes=codes, wants=wants, allowed=allowed: met(codes, wants, allowed),
                lambda allowed=allowed: allowed,
            )
        return allowed

    @property
    def _forms(self) -> str:
        known = []
        if self.named_columns:
            known.append(f"COLUMN=VALUE or COLUMN!=VALUE for {', '.join(self.named_columns)}")
        if self._named_numbers:
            names = ", ".join(self._named_numbers)
            known.append(f"COLUMN<=NUMBER, COLUMN>=NUMBER, COLUMN=NUMBER or COLUMN!=NUMBER for {names}")
        return " and ".join(known) or "nothing, as no column filters"


def _equal(asked: Asked, numbers: tf.Tensor) -> tf.Tensor:
    """bool[B, X]: which items have a number that their row refuses; numbers float32[B or 1, X, R]."""
    shape = tf.stack([tf.shape(asked.unequal)[0], tf.shape(numbers)[1]])

    # One condition after the other: all at once would hold W times the numbers.
    def step(place: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mine = tf.one_hot(asked.unequal_in[:, place], tf.shape(numbers)[2], True, False)[:, tf.newaxis]
        same = numbers == asked.unequal[:, place, tf.newaxis, tf.newaxis]
        return place + 1, tf.ensure_shape(found | tf.reduce_any(mine & same, axis=2), [None, None])

    _, found = tf.while_loop(
        lambda place, _: place < tf.shape(asked.unequal)[1],
        step,
        (tf.constant(0), tf.fill(shape, False)),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, None])),
        parallel_iterations=1,
    )
    return found


def _names(specs: Sequence[FeatureSpec], numbers: bool) -> list[str]:
    return [spec.name for spec in specs if spec.filters and (spec.kind == "number") == numbers]


def _numbered(table: pa.Table, names: Sequence[str]) -> tuple[list[np.ndarray], list[bytes]]:
    """int32[N, L] for each column, and "column=value" of all S values: the places that the codes name.

    An item's value stands once in its row; S is none.
    """
    keys: list[bytes] = []
    codes = []
    for name in names:
        strings = dense_strings(table.column(name))
        words, index = np.unique(strings, return_inverse=True)
        place = np.cumsum(words != contract.PAD_ID) - 1 + len(keys)
        code = np.where(words == contract.PAD_ID, -1, place)[index].reshape(strings.shape)
        code = np.sort(code, axis=1)[:, ::-1]
        code[:, 1:][code[:, 1:] == code[:, :-1]] = -1
        codes.append(code)
        keys += [name.encode() + b"=" + word for word in words if word != contract.PAD_ID]
    return [np.where(code < 0, len(keys), code).astype(np.int32) for code in codes], keys


def _cells(column: pa.ChunkedArray) -> np.ndarray:
    """float32[N], NaN where there is none: the contract's years are whole numbers, 0 for none."""
    if pa.types.is_integer(column.type):
        values = np.asarray(column, np.float32)
        return np.where(values == 0, np.float32(np.nan), values)
    values = dense_numbers(column)
    return np.where(values == np.float32(contract.UNKNOWN_NUMBER), np.float32(np.nan), values)


def _table(places: dict[bytes, int], default: int) -> tf.lookup.StaticHashTable:
    # A table needs at least one key; the pad is looked up but never asked for.
    places = places or {contract.PAD_ID: default}
    initial = tf.lookup.KeyValueTensorInitializer(
        tf.constant(list(places), tf.string), tf.constant(list(places.values()), tf.int32)
    )
    return tf.lookup.StaticHashTable(initial, default)
