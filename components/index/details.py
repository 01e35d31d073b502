"""What the catalogue holds of items, as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

import contract
from components.common.features import FeatureSpec, own
from components.common.tensors import take
from components.index.carried.catalogue import Catalogue
from components.index.conditions import refuse
from contract import cells, refusals

# MovieLens's own columns are in every catalogue, whatever the data holds.
_MAY_BE_EMPTY = (contract.TITLE, contract.YEAR, contract.GENRES, contract.TAGS)
ZERO_IS_UNKNOWN = (contract.YEAR, contract.RATING_MEAN)


class Details(tf.Module):
    """The catalogue's cells, looked up by row and by the names of columns.

    Args:
      catalogue: N items.
      specs: its features.
      implicit: the log has no ratings, so that an item has no mean of them.
    """

    def __init__(self, catalogue: Catalogue, specs: Sequence[FeatureSpec], implicit: bool) -> None:
        super().__init__(name="details")
        texts = {
            name: texts_of(name, catalogue.table.column(name))
            for name in (*contract.ITEM_FEATURES, *(spec.name for spec in own(specs)))
            if name != contract.RATING_MEAN or not implicit
        }
        kept = {name: text for name, text in texts.items() if name not in _MAY_BE_EMPTY or text.any()}
        self.columns = tuple(kept)
        self._cells = tf.Variable(np.stack(list(kept.values()), axis=1), trainable=False, name="cells")
        self._places = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(self.columns), tf.range(len(kept), dtype=tf.int32)
            ),
            default_value=-1,
        )

    def __call__(self, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
        """string[B, M, L] of catalogue rows, int32[B, M] (-1: unknown), and columns, string[B, L].

        "" pads columns too. One that is not in the catalogue is INVALID_ARGUMENT, and so are more
        in a row than it has: they would repeat.
        """
        places = self._places.lookup(columns)
        named = columns != contract.PAD_ID
        wrong = tf.boolean_mask(columns, named & (places < 0))
        most = tf.reduce_max(tf.reduce_sum(tf.cast(named, tf.int32), axis=1))
        names, number = ", ".join(self.columns), len(self.columns)
        checks = [
            refuse.any_of(wrong, refusals.COLUMNS, names=names),
            refuse.unless(most <= number, refusals.MAX_COLUMNS, most, most=number),
        ]
        with tf.control_dependencies(checks):
            place = tf.maximum(places, 0)
        values = tf.gather(take(self._cells, tf.maximum(rows, 0)), place, axis=2, batch_dims=1)
        return tf.where((rows >= 0)[:, :, tf.newaxis] & named[:, tf.newaxis, :], values, contract.PAD_ID)


def texts_of(name: str, column: pa.ChunkedArray) -> np.ndarray:
    """object[N]: a column of the catalogue as `details` answers it, "" where nothing is known."""
    kind = column.type
    if pa.types.is_large_list(kind) and pa.types.is_floating(kind.value_type):
        texts = [_number(value[0]) if value else "" for value in column.to_pylist()]
    elif pa.types.is_large_list(kind):
        texts = [cells.joined(value or ()) for value in column.to_pylist()]
    elif name in ZERO_IS_UNKNOWN:
        texts = [_number(value) if value else "" for value in column.to_pylist()]
    else:
        texts = ["" if value is None else str(value) for value in column.to_pylist()]
    return np.array(texts, object)


def _number(value: float) -> str:
    """As short as is exact in float32, and never with an exponent: 19.99, 20."""
    return np.format_float_positional(np.float32(value), trim="-")
