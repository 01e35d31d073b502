"""TensorFlow's data types: their numbers, names and NumPy forms."""

from __future__ import annotations

import dataclasses

import ml_dtypes
import numpy as np
from tensorflow.core.framework import types_pb2 as types


@dataclasses.dataclass(frozen=True)
class DataType:
    """One type that a tensor on the wire may have.

    Attributes:
      number: of the enum tensorflow.DataType.
      name: as TensorFlow prints it in errors ("float", "int32", "string").
      numpy: what an array of it is in this process; object (bytes) for strings.
      field: of TensorProto that carries values one by one.
      stored: what that field holds: values as they are, or the bits of 16-bit
        floats as integers, or pairs of real and imaginary part.
    """

    number: int
    name: str
    numpy: np.dtype
    field: str
    stored: np.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of one value; for a string those of its header in TensorFlow."""
        return 24 if self.numpy.hasobject else self.numpy.itemsize


def _quantized(number: int, name: str, stored: type) -> DataType:
    return DataType(number, name, np.dtype([(name, stored)]), "int_val", np.dtype(stored))


def _plain(number: int, name: str, numpy: type, field: str) -> DataType:
    return DataType(number, name, np.dtype(numpy), field, np.dtype(numpy))


_ALL = (
    _plain(types.DT_FLOAT, "float", np.float32, "float_val"),
    _plain(types.DT_DOUBLE, "double", np.float64, "double_val"),
    _plain(types.DT_INT32, "int32", np.int32, "int_val"),
    _plain(types.DT_UINT8, "uint8", np.uint8, "int_val"),
    _plain(types.DT_INT16, "int16", np.int16, "int_val"),
    _plain(types.DT_INT8, "int8", np.int8, "int_val"),
    _plain(types.DT_STRING, "string", object, "string_val"),
    DataType(types.DT_COMPLEX64, "complex64", np.dtype(np.complex64), "scomplex_val", np.dtype(np.float32)),
    _plain(types.DT_INT64, "int64", np.int64, "int64_val"),
    _plain(types.DT_BOOL, "bool", np.bool_, "bool_val"),
    _quantized(types.DT_QINT8, "qint8", np.int8),
    _quantized(types.DT_QUINT8, "quint8", np.uint8),
    _quantized(types.DT_QINT32, "qint32", np.int32),
    DataType(types.DT_BFLOAT16, "bfloat16", np.dtype(ml_dtypes.bfloat16), "half_val", np.dtype(np.uint16)),
    _quantized(types.DT_QINT16, "qint16", np.int16),
    _quantized(types.DT_QUINT16, "quint16", np.uint16),
    _plain(types.DT_UINT16, "uint16", np.uint16, "int_val"),
    DataType(
        types.DT_COMPLEX128, "complex128", np.dtype(np.complex128), "dcomplex_val", np.dtype(np.float64)
    ),
    DataType(types.DT_HALF, "half", np.dtype(np.float16), "half_val", np.dtype(np.uint16)),
    _plain(types.DT_UINT32, "uint32", np.uint32, "uint32_val"),
    _plain(types.DT_UINT64, "uint64", np.uint64, "uint64_val"),
)
BY_NUMBER: dict[int, DataType] = {dtype.number: dtype for dtype in _ALL}
_BY_NUMPY: dict[np.dtype, DataType] = {dtype.numpy: dtype for dtype in _ALL}


def name(number: int) -> str:
    """How TensorFlow prints a type ("float"), also one that no tensor here may have."""
    if number in BY_NUMBER:
        return BY_NUMBER[number].name
    if number in types.DataType.values():
        return types.DataType.Name(number).removeprefix("DT_").lower()
    return f"unknown dtype enum ({number})"


def of_array(array: np.ndarray) -> DataType:
    """The type of an array.

    Raises:
      TypeError: TensorFlow has none for it.
    """
    found = _BY_NUMPY.get(array.dtype)
    if found is None:
        raise TypeError(f"TensorFlow has no type for arrays of {array.dtype}")
    return found
