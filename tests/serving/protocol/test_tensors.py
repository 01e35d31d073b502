"""Tensors on the wire against TensorFlow's own reader and writer."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tensorflow.core.framework import tensor_pb2

from serving.protocol import dtypes, tensors
from serving.protocol.errors import Code, StatusError

NUMBERS = sorted(set(dtypes.BY_NUMBER) - {tf.string.as_datatype_enum})
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


def tensor(dtype: int, shape: tuple[int, ...], **fields: object) -> tensor_pb2.TensorProto:
    proto = tensor_pb2.TensorProto(dtype=dtype, **fields)
    proto.tensor_shape.SetInParent()
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    return proto


def bits(array: np.ndarray) -> bytes:
    return array.tobytes() if array.dtype != object else repr(array.tolist()).encode()


def an_array(data: st.DataObject, number: int) -> np.ndarray:
    dtype = dtypes.BY_NUMBER[number]
    shape = data.draw(SHAPES)
    if dtype.numpy.hasobject:
        flat = data.draw(
            st.lists(st.binary(max_size=300), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))
        )
        array = np.empty(len(flat), object)
        array[:] = flat
        return array.reshape(shape)
    size = int(np.prod(shape)) * dtype.numpy.itemsize
    raw = data.draw(st.binary(min_size=size, max_size=size))
    if dtype.numpy == np.bool_:
        raw = bytes(byte & 1 for byte in raw)
    array = np.frombuffer(raw, dtype.numpy).reshape(shape).copy()
    if dtype.numpy.kind in "fc":
        # Python has one NaN, and TensorFlow's reader and writer go through it.
        array[np.isnan(array)] = np.nan
    return array


@pytest.mark.parametrize("number", sorted(dtypes.BY_NUMBER), ids=dtypes.name)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_tensorflow_writes_is_read_and_back(number: int, data: st.DataObject) -> None:
    array = an_array(data, number)
    proto = tf.make_tensor_proto(array, dtype=number, shape=array.shape)
    read = tensors.decode(proto)
    assert read.shape == array.shape
    assert read.dtype == array.dtype
    assert bits(read) == bits(array)

    written = tensor_pb2.TensorProto()
    tensors.encode(read, written)
    assert not written.tensor_content  # values one by one, as TensorFlow Serving answers
    assert written.HasField("tensor_shape")
    assert bits(tf.make_ndarray(written)) == bits(array)
    assert tf.make_ndarray(written).shape == array.shape
    assert bits(tensors.decode(written)) == bits(array)


@pytest.mark.parametrize("number", NUMBERS, ids=dtypes.name)
def test_fewer_values_than_elements_repeat_the_last(number: int) -> None:
    dtype = dtypes.BY_NUMBER[number]
    field = {dtype.field: [1, 0, 0, 1] if dtype.numpy.kind == "c" else [1, 0]}
    proto = tensor(number, (2, 3), **field)
    assert bits(tensors.decode(proto)) == bits(tf.make_ndarray(proto))


@pytest.mark.parametrize("number", sorted(dtypes.BY_NUMBER), ids=dtypes.name)
def test_no_values_are_zeros(number: int) -> None:
    read = tensors.decode(tensor(number, (2, 2)))
    assert read.shape == (2, 2)
    empty = b"" if read.dtype == object else np.zeros((), read.dtype)
    assert all(value == empty for value in read.reshape(-1))


def test_strings_in_tensor_content() -> None:
    words = [b"", b"a", bytes(300)]
    lengths = b"\x00\x01\xac\x02"
    proto = tensor(tf.string.as_datatype_enum, (3,), tensor_content=lengths + b"".join(words))
    assert tensors.decode(proto).tolist() == words


def test_many_floats_are_read_as_they_are() -> None:
    array = np.random.default_rng(0).normal(size=(3, 100)).astype(np.float32)
    proto = tensor_pb2.TensorProto()
    tensors.encode(array, proto)
    np.testing.assert_array_equal(tensors.decode(proto), array)
    assert tensors.decode(proto).dtype == np.float32


FLOAT, INT8, STRING, COMPLEX = (t.as_datatype_enum for t in (tf.float32, tf.int8, tf.string, tf.complex64))
HOSTILE = {
    "a negative dimension": (tensor(FLOAT, (-1,)), "negative dimension"),
    "an unknown dimension in a product": (tensor(FLOAT, (0, -1)), "negative dimension"),
    "a product beyond 64 bits": (tensor(FLOAT, (2**62, 4), float_val=[1]), "more elements than can be"),
    "a product beyond 64 bits hidden by a zero": (
        tensor(FLOAT, (0, 2**62, 2**62)),
        "more elements than can be",
    ),
    "gigabytes without data": (tensor(FLOAT, (2**30,)), "must hold them all"),
    "gigabytes of one value": (tensor(FLOAT, (2**15, 2**15), float_val=[1]), "must hold them all"),
    "many strings of one value": (tensor(STRING, (2**27,), string_val=[b"x"]), "must hold them all"),
    "many strings in a few bytes": (tensor(STRING, (2**40,), tensor_content=b"abc"), "too few for"),
    "a length past the end": (tensor(STRING, (1,), tensor_content=b"\x09a"), "need 10"),
    "a length without an end": (tensor(STRING, (1,), tensor_content=b"\xff"), "ends within"),
    "too little content": (tensor(FLOAT, (2,), tensor_content=b"1234"), "needs 8"),
    "too much content": (tensor(FLOAT, (1,), tensor_content=b"12345678"), "needs 4"),
    "more values than elements": (tensor(FLOAT, (1,), float_val=[1, 2]), "holds 2 values"),
    "values for a shape without elements": (tensor(FLOAT, (0,), float_val=[1]), "has 0 elements"),
    "half a complex number": (tensor(COMPLEX, (2,), scomplex_val=[1, 2, 3]), "imaginary"),
    "a value beyond its type": (tensor(INT8, (1,), int_val=[300]), "int8 cannot"),
    "a type without values": (tensor(tf.resource.as_datatype_enum, ()), "type resource cannot be sent"),
    "no type": (tensor(0, ()), "type invalid cannot be sent"),
    "a type that is none": (tensor(12345, ()), r"unknown dtype enum \(12345\)"),
    "a hundred dimensions": (tensor(FLOAT, (1,) * 100), "at most 64"),
}


@pytest.mark.parametrize("case", HOSTILE, ids=str)
def test_what_is_no_tensor_is_refused(case: str) -> None:
    proto, text = HOSTILE[case]
    with pytest.raises(StatusError, match=text) as refused:
        tensors.decode(proto)
    assert refused.value.code is Code.INVALID_ARGUMENT


def test_an_unknown_rank_is_refused() -> None:
    proto = tensor_pb2.TensorProto(dtype=FLOAT)
    proto.tensor_shape.unknown_rank = True
    with pytest.raises(StatusError, match="unknown rank"):
        tensors.decode(proto)


def test_an_error_names_the_tensor() -> None:
    with pytest.raises(StatusError, match="tensor parsing error: x: shape"):
        tensors.decode_all({"x": tensor(FLOAT, (-1,))})


@settings(max_examples=500, deadline=None)
@example(raw=b"", number=1, sizes=[0, 2**31, 2**31, 2])
@given(
    st.binary(max_size=60),
    st.sampled_from(sorted(dtypes.BY_NUMBER)),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 4), max_size=4),
)
def test_any_message_is_read_or_refused(raw: bytes, number: int, sizes: list[int]) -> None:
    proto = tensor(number, tuple(sizes), tensor_content=raw)
    try:
        read = tensors.decode(proto)
    except StatusError as error:
        assert error.code is Code.INVALID_ARGUMENT
    else:
        assert list(read.shape) == sizes
