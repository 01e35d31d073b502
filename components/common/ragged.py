"""Lists of different lengths as flat arrays with offsets."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """int64[n] lengths -> int64[n + 1] offsets, starting with 0."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def spans(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Positions of several spans, one after the other: starts [3, 9], lengths [2, 1] -> [3, 4, 9]."""
    offsets = offsets_of(lengths)
    return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)


def from_rows(rows: np.ndarray, values: pa.Array, num_rows: int) -> pa.LargeListArray:
    """Values with the row each belongs to -> one list per row, empty (never null) where it has none.

    Args:
      rows: int[values], ascending.
      values: the values, in their order within the rows.
      num_rows: length of the result.
    """
    return from_lengths(np.bincount(rows, minlength=num_rows), values)


def from_lengths(lengths: np.ndarray, values: pa.Array) -> pa.LargeListArray:
    """Flat values and the length of each list -> lists."""
    return pa.LargeListArray.from_arrays(pa.array(offsets_of(lengths)), values)
