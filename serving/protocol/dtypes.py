"""TensorFlow's data types: their numbers, names and NumPy forms. Imports nothing of TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import Final

import ml_dtypes
import numpy as np

# The enum tensorflow.DataType by number, as tensorflow/core/framework/types.proto has it; that of a
# reference to a type is 100 more.
_NAMES: Final = (
    "invalid", "float", "double", "int32", "uint8", "int16", "int8", "string", "complex64", "int64", "bool",
    "qint8", "quint8", "qint32", "bfloat16", "qint16", "quint16", "uint16", "complex128", "half", "resource",
    "variant", "uint32", "uint64", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz",
    "float8_e5m2fnuz", "int4", "uint4", "int2", "uint2",
)  # fmt: skip
_REFERENCE: Final = 100


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


def _of(name: str, numpy: np.dtype, field: str, stored: type) -> DataType:
    return DataType(_NAMES.index(name), name, numpy, field, np.dtype(stored))


def _quantized(name: str, stored: type) -> DataType:
    return _of(name, np.dtype([(name, stored)]), "int_val", stored)


def _plain(name: str, numpy: type, field: str) -> DataType:
    return _of(name, np.dtype(numpy), field, numpy)


_ALL = (
    _plain("float", np.float32, "float_val"),
    _plain("double", np.float64, "double_val"),
    _plain("int32", np.int32, "int_val"),
    _plain("uint8", np.uint8, "int_val"),
    _plain("int16", np.int16, "int_val"),
    _plain("int8", np.int8, "int_val"),
    _plain("string", object, "string_val"),
    _of("complex64", np.dtype(np.complex64), "scomplex_val", np.float32),
    _plain("int64", np.int64, "int64_val"),
    _plain("bool", np.bool_, "bool_val"),
    _quantized("qint8", np.int8),
    _quantized("quint8", np.uint8),
    _quantized("qint32", np.int32),
    _of("bfloat16", np.dtype(ml_dtypes.bfloat16), "half_val", np.uint16),
    _quantized("qint16", np.int16),
    _quantized("quint16", np.uint16),
    _plain("uint16", np.uint16, "int_val"),
    _of("complex128", np.dtype(np.complex128), "dcomplex_val", np.float64),
    _of("half", np.dtype(np.float16), "half_val", np.uint16),
    _plain("uint32", np.uint32, "uint32_val"),
    _plain("uint64", np.uint64, "uint64_val"),
)
BY_NUMBER: dict[int, DataType] = {dtype.number: dtype for dtype in _ALL}
_BY_NUMPY: dict[np.dtype, DataType] = {dtype.numpy: dtype for dtype in _ALL}


def name(number: int) -> str:
    """How TensorFlow prints a type ("float"), also one that no tensor here may have."""
    if number in BY_NUMBER:
        return BY_NUMBER[number].name
    if 0 <= number < len(_NAMES):
        return _NAMES[number]
    if 0 < number - _REFERENCE < len(_NAMES):
        return f"{_NAMES[number - _REFERENCE]}_ref"
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
