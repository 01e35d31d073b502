"""TensorProto to NumPy and back, as TensorFlow's own Tensor::FromProto and AsProtoField."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from serving.protocol import dtypes
from serving.protocol.errors import StatusError, invalid_argument

if TYPE_CHECKING:
    from tensorflow.core.framework import tensor_pb2  # or the same of `messages`

# A message may carry fewer values than its shape has elements; the last one is
# repeated. A few bytes could so ask for any amount of memory: beyond this many
# bytes the values must be in the message.
MAX_EXPANDED_BYTES = 4 * 2**20
# NumPy's own bound (TensorFlow's is 254).
MAX_RANK = 64
# From here on the packed bytes are read instead of one Python object per value.
_MANY = 16
_PACKED_TAGS = {"float_val": 5 << 3 | 2, "double_val": 6 << 3 | 2}


def decode(proto: tensor_pb2.TensorProto) -> np.ndarray:
    """Reads a tensor.

    Args:
      proto: values either in tensor_content or in the field of its type; with
        fewer values than elements the last one is repeated, with none they are
        zero (or "").

    Returns:
      [*shape], possibly a read-only view of the message's bytes; strings are
      an object array of bytes.

    Raises:
      StatusError: INVALID_ARGUMENT, before memory is allocated, if the shape
        or the type is not one of a tensor or the values do not fit it.
    """
    dtype = dtypes.BY_NUMBER.get(proto.dtype)
    if dtype is None:
        raise invalid_argument(f"tensors of type {dtypes.name(proto.dtype)} cannot be sent")
    shape, count = _shape(proto)
    content = proto.tensor_content
    if content:
        if dtype.numpy.hasobject:
            return _read_strings(content, count).reshape(shape)
        if len(content) != count * dtype.itemsize:
            raise invalid_argument(
                f"tensor_content holds {len(content)} bytes, shape {list(shape)} of {dtype.name} "
                f"needs {count * dtype.itemsize}"
            )
        return np.frombuffer(content, dtype.numpy).reshape(shape)
    return _read_field(proto, dtype, shape, count)


def encode(array: np.ndarray, proto: tensor_pb2.TensorProto) -> None:
    """Writes a tensor, one value per element in the field of its type.

    Args:
      array: of a type that TensorFlow has; strings are bytes in an object array.
      proto: an empty message, filled here.

    Raises:
      TypeError: TensorFlow has no such type.
    """
    dtype = dtypes.of_array(array)
    _write_head(array, dtype, proto)
    tag = _PACKED_TAGS.get(dtype.field)
    if tag is not None:
        values = array.tobytes()
        if values:
            proto.MergeFromString(bytes((tag,)) + _varint(len(values)) + values)
        return
    stored = array if dtype.stored == dtype.numpy else np.ascontiguousarray(array).reshape(-1)
    if dtype.stored != dtype.numpy:
        stored = stored.view(dtype.stored)
    getattr(proto, dtype.field).extend(stored.reshape(-1).tolist())


def encode_content(array: np.ndarray, proto: tensor_pb2.TensorProto) -> None:
    """As `encode`, but into tensor_content where TensorFlow does so: anything but strings."""
    dtype = dtypes.of_array(array)
    if dtype.numpy.hasobject:
        encode(array, proto)
        return
    _write_head(array, dtype, proto)
    proto.tensor_content = array.tobytes()


def decode_all(protos: Mapping[str, tensor_pb2.TensorProto]) -> dict[str, np.ndarray]:
    """Reads named tensors; an error names the tensor as TensorFlow Serving does."""
    found = {}
    for alias, proto in protos.items():
        try:
            found[alias] = decode(proto)
        except StatusError as error:
            raise invalid_argument(f"tensor parsing error: {alias}: {error.message}") from error
    return found


def _write_head(array: np.ndarray, dtype: dtypes.DataType, proto: tensor_pb2.TensorProto) -> None:
    proto.dtype = dtype.number
    shape = proto.tensor_shape
    shape.SetInParent()  # present even for a scalar
    for size in array.shape:
        shape.dim.add().size = size


def _shape(proto: tensor_pb2.TensorProto) -> tuple[tuple[int, ...], int]:
    """The shape and how many elements it has."""
    shape = proto.tensor_shape
    if shape.unknown_rank:
        raise invalid_argument("the shape has an unknown rank; a tensor's is known")
    dims = shape.dim
    if len(dims) > MAX_RANK:
        raise invalid_argument(f"the shape has {len(dims)} dimensions, at most {MAX_RANK} are supported")
    sizes = tuple([dim.size for dim in dims])
    count = 1
    for size in sizes:
        if size < 0:
            raise invalid_argument(f"shape {list(sizes)} has a negative dimension")
        count *= size
    if not count:
        # The product says nothing about the other sizes; NumPy counts the bytes of those.
        others = math.prod(size for size in sizes if size)
        uncountable = others > 2**57 or any(size > 2**31 for size in sizes)
    else:
        uncountable = count > 2**63 - 1
    if uncountable:
        raise invalid_argument(f"shape {list(sizes)} has more elements than can be counted")
    return sizes, count


def _read_field(
    proto: tensor_pb2.TensorProto, dtype: dtypes.DataType, shape: tuple[int, ...], count: int
) -> np.ndarray:
    field = getattr(proto, dtype.field)
    parts = 2 if dtype.numpy.kind == "c" else 1
    given, odd = divmod(len(field), parts)
    if odd:
        raise invalid_argument(f"{dtype.field} holds a real part without an imaginary one")
    if given > count:
        raise invalid_argument(
            f"{dtype.field} holds {given} values, shape {list(shape)} has {count} elements"
        )
    if given < count and count * dtype.itemsize > MAX_EXPANDED_BYTES:
        raise invalid_argument(
            f"shape {list(shape)} has {count} elements and {dtype.field} holds {given} values: they are "
            f"repeated up to {MAX_EXPANDED_BYTES} bytes, a larger tensor must hold them all"
        )
    values = _values(proto, field, dtype, given * parts)
    if values.dtype != dtype.numpy:
        values = values.view(dtype.numpy)
    if given < count:
        values = _repeat_last(values, dtype, count)
    return values.reshape(shape)


def _values(proto: tensor_pb2.TensorProto, field: object, dtype: dtypes.DataType, count: int) -> np.ndarray:
    """[count] of what the field stores."""
    if count >= _MANY and dtype.field in _PACKED_TAGS:
        return np.frombuffer(_packed(proto, _PACKED_TAGS[dtype.field]), dtype.stored)
    if dtype.field in ("int_val", "half_val") and dtype.stored.itemsize < 4:
        # The field is 32 bits wide: what does not fit is an error, not another number.
        wide = np.fromiter(field, np.int32, count)  # type: ignore[call-overload]
        limits = np.iinfo(dtype.stored)
        if count and (wide.min() < limits.min or wide.max() > limits.max):
            raise invalid_argument(f"{dtype.field} holds a value that {dtype.name} cannot")
        return wide.astype(dtype.stored)
    if dtype.field == "int_val" and dtype.stored == np.dtype(np.int32):
        return np.fromiter(field, np.int32, count)  # type: ignore[call-overload]
    return np.fromiter(field, dtype.stored, count)  # type: ignore[call-overload]


def _repeat_last(values: np.ndarray, dtype: dtypes.DataType, count: int) -> np.ndarray:
    if not len(values):
        if dtype.numpy.hasobject:
            return np.full(count, b"", object)
        return np.zeros(count, dtype.numpy)
    full = np.empty(count, dtype.numpy)
    full[: len(values)] = values
    full[len(values) :] = values[-1]
    return full


def _packed(proto: tensor_pb2.TensorProto, tag: int) -> memoryview:
    """The bytes of a packed field: the runtime holds them so, but shows Python objects only."""
    wire = memoryview(proto.SerializeToString())
    at = 0
    while True:  # the field is there: it has values
        key, at = _read_varint(wire, at)
        kind = key & 7
        if kind == 2:
            length, at = _read_varint(wire, at)
            if key == tag:
                return wire[at : at + length]
            at += length
        elif kind == 0:
            _, at = _read_varint(wire, at)
        else:
            at += 4 if kind == 5 else 8


def _read_strings(content: bytes, count: int) -> np.ndarray:
    """TensorFlow's form of a list of strings: all lengths, then all bytes."""
    if count > len(content):  # every length takes a byte
        raise invalid_argument(f"tensor_content holds {len(content)} bytes, too few for {count} strings")
    lengths = []
    at = 0
    for _ in range(count):
        length, at = _read_varint(content, at)
        lengths.append(length)
    if at + sum(lengths) != len(content):
        raise invalid_argument(
            f"tensor_content holds {len(content)} bytes, its {count} strings need {at + sum(lengths)}"
        )
    strings = np.empty(count, object)
    for index, length in enumerate(lengths):
        strings[index] = content[at : at + length]
        at += length
    return strings


def _read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise invalid_argument("tensor_content ends within the length of a string")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
