"""Columns of items as the dense arrays that a model's functions take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.common.features import MOVIELENS, FeatureSpec, own


def item_inputs(items: pa.Table, specs: Sequence[FeatureSpec] = MOVIELENS) -> dict[str, np.ndarray]:
    """Inputs of contract.EMBED_ITEM and those of the data set's own features (`features.inputs`).

    Args:
      items: contract.ITEM_FEATURES and the own features' columns, n rows.
    """
    result = {
        contract.ITEM_ID: byte_strings(items.column(contract.ITEM_ID)),
        contract.YEAR: np.asarray(items.column(contract.YEAR), dtype=np.int64),
        contract.GENRES: dense_strings(items.column(contract.GENRES)),
        contract.TAGS: dense_strings(items.column(contract.TAGS)),
        contract.RATING_COUNT: np.asarray(items.column(contract.RATING_COUNT), dtype=np.int64),
    }
    for spec in own(specs):
        column = items.column(spec.name)
        if spec.kind == "number":
            result[spec.name] = dense_numbers(column)
        elif spec.kind == "text":
            result[spec.name] = byte_strings(column)
        else:
            strings = dense_strings(column)
            result[spec.name] = strings if spec.kind == "multi" else strings[:, 0]
    return result


def byte_strings(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column of strings or bytes as object[n] of bytes."""
    return column.cast(pa.large_binary()).to_numpy(zero_copy_only=False).astype(object)


def dense_strings(lists: pa.ChunkedArray) -> np.ndarray:
    """A column of string lists as object[n, longest], padded with contract.PAD_ID; at least one column."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0), dtype=np.int64)
    dense = np.full((len(lists), max(1, lengths.max(initial=0))), contract.PAD_ID, dtype=object)
    dense[np.arange(dense.shape[1]) < lengths[:, None]] = byte_strings(pc.list_flatten(lists))
    return dense


def dense_numbers(lists: pa.ChunkedArray) -> np.ndarray:
    """A column of lists of one number or none as float32[n], contract.UNKNOWN_NUMBER where there is none."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0), dtype=np.int64)
    dense = np.full(len(lists), contract.UNKNOWN_NUMBER, np.float32)
    dense[lengths > 0] = np.asarray(pc.list_flatten(lists), np.float32)
    return dense
