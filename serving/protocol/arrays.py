"""Python values as the arrays that travel and run: strings are bytes in an object array."""

from __future__ import annotations

from typing import Any

import numpy as np

import contract


def as_array(value: Any, dtype: contract.DType | None = None) -> np.ndarray:
    """An array of `value`; numbers with a point become float32 where no type is given.

    Args:
      value: an array, or (nested) sequences of numbers, str or bytes.
      dtype: of a signature's input; None for one beyond the contract.
    """
    if dtype != "string":
        array = np.asarray(value, dtype)
        if array.dtype == np.float64 and not isinstance(value, np.ndarray):
            array = array.astype(np.float32)
        if array.dtype.kind not in "OUS":
            return array
    # From the value itself: NumPy's fixed-width bytes lose trailing zeros.
    array = np.asarray(value, object)
    flat = [item.encode() if isinstance(item, str) else item for item in array.reshape(-1)]
    encoded = np.empty(len(flat), object)
    encoded[:] = flat
    return encoded.reshape(array.shape)
