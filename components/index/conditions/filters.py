"""Which items a request's genres, years and conditions let through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

import contract
from components.common.dense_columns import dense_strings
from components.common.features import MOVIELENS, FeatureSpec
from components.common.tensors import take
from components.index.carried import catalogue as catalogues
from components.index.conditions.conditions import Asked, Conditions

_WORD_BITS = 32
# Value of each bit of a word; the last one is the sign.
_POWERS = (np.uint32(1) << np.arange(_WORD_BITS, dtype=np.uint32)).view(np.int32)


class Wanted(NamedTuple):
    """A batch's filters. A row without any lets every item through.

    Attributes:
      genres: int32[B, W], one bit per genre of the catalogue.
      by_genre: bool[B], whether the row names a genre at all, known or not.
      year_min, year_max: int32[B], inclusive, 0 = no bound.
      where: conditions on any columns; None for a request that can have none.
    """

    genres: tf.Tensor
    by_genre: tf.Tensor
    year_min: tf.Tensor
    year_max: tf.Tensor
    where: Asked | None = None

    def any(self) -> tf.Tensor:
        """bool[]: whether some row filters."""
        some = tf.reduce_any(self.by_genre | (self.year_min > 0) | (self.year_max > 0))
        return some if self.where is None else some | self.where.any()

    def take(self, rows: tf.Tensor) -> Wanted:
        """The filters of some rows of the batch."""
        genres, by_genre, low, high = (tf.gather(tensor, rows) for tensor in self[:4])
        return Wanted(genres, by_genre, low, high, self.where and self.where.take(rows))


class ItemFilters(tf.Module):
    """Genres, years and the columns that filter, ready to be compared with a batch.

    Genres are packed 32 to a word: 20 genres of a million items take 4 MB,
    and a thousand kinds of some other catalogue still fit.
    """

    def __init__(self, catalogue: catalogues.Catalogue, specs: Sequence[FeatureSpec] = MOVIELENS) -> None:
        super().__init__(name="filters")
        self._conditions = Conditions(catalogue.table, specs)
        genres = dense_strings(catalogue.table.column(contract.GENRES))
        names = np.unique(genres[genres != contract.PAD_ID])
        self._words = max(1, -(-len(names) // _WORD_BITS))
        # A table needs at least one key; the pad is looked up but never asked for.
        keys = names if len(names) else np.array([contract.PAD_ID], dtype=object)
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(keys, tf.string), tf.range(len(keys), dtype=tf.int32)
            ),
            default_value=-1,
        )
        self._genres = tf.Variable(_packed(genres, names, self._words), trainable=False, name="genres")
        self._years = tf.Variable(catalogue.years, trainable=False, name="years")

    @property
    def words(self) -> int:
        """W, the words that hold an item's genres."""
        return self._words

    @property
    def per_score(self) -> int:
        """Values of an item that one comparison holds beside its score, at least 1."""
        return max(self._words, self._conditions.longest)

    def wanted(
        self, genres: tf.Tensor, year_min: tf.Tensor, year_max: tf.Tensor, where: tf.Tensor | None = None
    ) -> Wanted:
        """Looks up a batch's filters: genres string[B, G], bounds int32[B], conditions string[B, W]."""
        named = genres != contract.PAD_ID
        # -1, an unknown genre, sets no bit: a row that names only such genres lets nothing through.
        index = tf.where(named, self._table.lookup(genres), -1)
        bits = tf.reduce_any(tf.one_hot(index, self._words * _WORD_BITS, True, False), axis=1)
        grouped = tf.reshape(tf.cast(bits, tf.int32), [-1, self._words, _WORD_BITS])
        words = tf.reduce_sum(grouped * _POWERS, axis=2)
        asked = None if where is None else self._conditions.ask(where)
        return Wanted(words, tf.reduce_any(named, axis=1), year_min, year_max, asked)

    def allow_rows(self, wanted: Wanted, rows: tf.Tensor) -> tf.Tensor:
        """bool[B, C]: which of each row's candidates `rows` (int32[B, C]) pass."""
        allowed = _passes(wanted, take(self._genres, rows), take(self._years, rows))
        return allowed if wanted.where is None else allowed & self._conditions.allow_rows(wanted.where, rows)

    def allow_block(self, wanted: Wanted, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        """bool[B, stop - start]: which of a block of the catalogue pass."""
        allowed = _passes(wanted, self._genres[start:stop][tf.newaxis], self._years[start:stop][tf.newaxis])
        if wanted.where is None:
            return allowed
        return allowed & self._conditions.allow_block(wanted.where, start, stop)

    @staticmethod
    def everything(batch: tf.Tensor, words: int) -> Wanted:
        """No filter, for `batch` rows."""
        zeros = tf.zeros([batch], tf.int32)
        return Wanted(tf.zeros([batch, words], tf.int32), tf.zeros([batch], tf.bool), zeros, zeros)


def _passes(wanted: Wanted, genres: tf.Tensor, years: tf.Tensor) -> tf.Tensor:
    """genres int32[B or 1, C, W], years int32[B or 1, C] -> bool[B, C]."""
    common = tf.bitwise.bitwise_and(genres, wanted.genres[:, tf.newaxis, :])
    by_genre = tf.reduce_any(common != 0, axis=2) | ~wanted.by_genre[:, tf.newaxis]
    low, high = wanted.year_min[:, tf.newaxis], wanted.year_max[:, tf.newaxis]
    # An item whose year is unknown (0) meets no bound.
    above = (low == 0) | (years >= low)
    below = (high == 0) | ((years <= high) & (years != 0))
    return by_genre & above & below


def _packed(genres: np.ndarray, names: np.ndarray, words: int) -> np.ndarray:
    """object[N, G] -> int32[N, words], bit g of word g // 32 set if the item has genre g."""
    packed = np.zeros((len(genres), words), np.uint32)
    item, column = np.nonzero(genres != contract.PAD_ID)
    index = np.searchsorted(names, genres[item, column])
    np.bitwise_or.at(packed, (item, index // _WORD_BITS), _POWERS.view(np.uint32)[index % _WORD_BITS])
    return packed.view(np.int32)
