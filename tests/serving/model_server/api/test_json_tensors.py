"""REST bodies against the standard library's JSON and TensorFlow Serving's texts."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.models.json_requests import read, refusal

from serving.model_server.api import json_examples, json_rules, json_tensors, json_text
from serving.protocol import error_body
from serving.protocol.errors import Code, StatusError

DTYPES = (
    "float32",
    "float64",
    "int8",
    "uint8",
    "int16",
    "int32",
    "int64",
    "uint32",
    "uint64",
    "bool",
    "string",
)


def rows_of(array: np.ndarray) -> list[Any]:
    if array.dtype == object:
        array = np.array([value.decode() for value in array.reshape(-1)], object).reshape(array.shape)
    return array.tolist()


@st.composite
def arrays(draw: st.DrawFn, dtype: str) -> np.ndarray:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    if dtype == "string":
        size = int(np.prod(shape))
        texts = draw(st.lists(st.text(max_size=5), min_size=size, max_size=size))
        array = np.empty(size, object)
        array[:] = [text.encode() for text in texts]
        return array.reshape(shape)
    elements = None
    if dtype == "float32":
        elements = st.floats(width=32, allow_nan=False, allow_infinity=False)
    elif dtype == "float64":
        elements = st.floats(allow_nan=False, allow_infinity=False)
    return draw(hnp.arrays(dtype, shape, elements=elements))


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_json_says_is_read_in_both_formats(dtype: str, data: st.DataObject) -> None:
    array = data.draw(arrays(dtype))
    values = rows_of(array)
    for document in (
        {"instances": values},
        {"instances": [{"x": row} for row in values]},
        {"inputs": values},
        {"inputs": {"x": values}},
    ):
        found = read(document, x=dtype)["x"]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_written_is_what_json_reads(dtype: str, data: st.DataObject) -> None:
    array = data.draw(arrays(dtype))
    other = np.arange(len(array), dtype=np.int32)
    assert_same(
        json.loads(json_tensors.write_outputs({"x": array}, True)), {"predictions": rows_of(array)}, dtype
    )
    assert_same(
        json.loads(json_tensors.write_outputs({"x": array}, False)), {"outputs": rows_of(array)}, dtype
    )
    both = {"x": array, "n": other}
    rows = [{"x": row, "n": n} for n, row in enumerate(rows_of(array))]
    assert_same(json.loads(json_tensors.write_outputs(both, True)), {"predictions": rows}, dtype)
    columns = {"outputs": {"x": rows_of(array), "n": other.tolist()}}
    assert_same(json.loads(json_tensors.write_outputs(both, False)), columns, dtype)


def assert_same(found: Any, expected: Any, dtype: str) -> None:
    """Equal; float32 are written with as few digits as give the same float32 back."""
    if dtype != "float32" or not isinstance(expected, float):
        if isinstance(expected, dict):
            assert found.keys() == expected.keys()
            for key in expected:
                assert_same(found[key], expected[key], dtype)
        elif isinstance(expected, list):
            assert len(found) == len(expected)
            for one, other in zip(found, expected, strict=True):
                assert_same(one, other, dtype)
        else:
            assert found == expected
            assert type(found) is type(expected)
    else:
        assert np.float32(found) == np.float32(expected)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=3)
    | st.builds(lambda b: {"b64": base64.b64encode(b).decode()}, st.binary(max_size=3)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "b64"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(JSON_VALUES, min_size=1, max_size=3), st.sampled_from(DTYPES), st.booleans(), st.booleans())
def test_the_fast_way_reads_what_the_rules_read(values: list[Any], dtype: str, rows: bool, two: bool) -> None:
    number = tf.as_dtype(dtype).as_datatype_enum
    wanted = {"x": number, "y": number} if two else {"x": number}
    fast = json_tensors._read_rows if rows else json_tensors._read_columns
    slow = json_rules.read_rows if rows else json_rules.read_columns
    asked = values if rows else values[0]
    found = fast(asked, wanted)
    if found is not None:  # otherwise the rules are asked anyway
        expected = slow(asked, wanted)
        assert found.keys() == expected.keys()
        for name in expected:
            assert found[name].dtype == expected[name].dtype
            np.testing.assert_array_equal(found[name], expected[name])
    else:
        try:
            slow(asked, wanted)
        except StatusError as error:
            assert error.code is Code.INVALID_ARGUMENT


ONE = {"x": "float32"}
TWO = {"x": "float32", "y": "int32"}
TEXTS: dict[str, tuple[Any, dict[str, str], str]] = {
    "an empty body": (b"", ONE, "JSON Parse error: The document is empty"),
    "white space": (b"  ", ONE, "JSON Parse error: Expecting value at offset: 2"),
    "no JSON": (b"instances = [1]", ONE, "JSON Parse error: Expecting value at offset: 0"),
    "a list that does not end": (
        b'{"instances": [1,2',
        ONE,
        "JSON Parse error: Expecting ',' delimiter at offset: 18",
    ),
    "an object that does not end": (
        b'{"instances": [1]',
        ONE,
        "JSON Parse error: Expecting ',' delimiter at offset: 17",
    ),
    "no colon": (b'{"a" 1}', ONE, "JSON Parse error: Expecting ':' delimiter at offset: 5"),
    "no name": (
        b"{1:2}",
        ONE,
        "JSON Parse error: Expecting property name enclosed in double quotes at offset: 1",
    ),
    "an open string": (
        b'{"a": "bc',
        ONE,
        "JSON Parse error: Unterminated string starting at offset: 6",
    ),
    "a second document": (b"{} {}", ONE, "JSON Parse error: Extra data at offset: 3"),
    "no fraction": (b'{"a": 1.}', ONE, "JSON Parse error: Expecting ',' delimiter at offset: 7"),
    "a huge number": (
        b'{"instances": [1e999]}',
        ONE,
        "JSON Parse error: Number beyond a double at offset: 15",
    ),
    "half a character": (
        rb'{"a": "\ud800"}',
        ONE,
        "JSON Parse error: Half of a surrogate pair at offset: 7",
    ),
    "the other half": (
        rb'{"a": "\\\udc00\ud83d\ude00"}',
        ONE,
        "JSON Parse error: Half of a surrogate pair at offset: 9",
    ),
    "an offset in bytes": (
        '{"ä": nul}'.encode(),
        ONE,
        "JSON Parse error: Expecting value at offset: 7",
    ),
    "a list": ([1], ONE, "Is not object"),
    "a number as signature": ({"signature_name": 1}, ONE, "'signature_name' key must be a string value."),
    "neither key": ({"a": 1}, ONE, "Missing 'inputs' or 'instances' key"),
    "both keys": (
        {"instances": [1], "inputs": [1]},
        ONE,
        "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
    ),
    "instances that are no list": ({"instances": 1}, ONE, "Expecting 'instances' to be an list/array"),
    "no instances": ({"instances": []}, ONE, "No values in 'instances' array"),
    "a string for a float": (
        {"instances": ["a"]},
        ONE,
        "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
        'JSON Value: "a" Type: String is not of expected type: float',
    ),
    "a float for an integer": (
        {"inputs": [1.5]},
        {"x": "int32"},
        "JSON Value: 1.5 Type: Number is not of expected type: int32",
    ),
    "a whole float for an integer": (
        {"inputs": [1.0]},
        {"x": "int64"},
        "JSON Value: 1.0 Type: Number is not of expected type: int64",
    ),
    "beyond int32": (
        {"inputs": [2**31]},
        {"x": "int32"},
        "JSON Value: 2147483648 Type: Number is not of expected type: int32",
    ),
    "beyond uint8": (
        {"inputs": [256]},
        {"x": "uint8"},
        "Cannot convert JSON value: 256 to uint8 without loss of precision.",
    ),
    "a boolean for a number": (
        {"inputs": [True]},
        {"x": "int32"},
        "JSON Value: true Type: True is not of expected type: int32",
    ),
    "null": ({"inputs": [None]}, ONE, "JSON Value: null Type: Null is not of expected type: float"),
    "a number for a string": (
        {"inputs": [1]},
        {"x": "string"},
        "JSON Value: 1 Type: Number is not of expected type: string",
    ),
    "ragged rows": (
        {"instances": [[1, 2], [3]]},
        ONE,
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
        "Expecting tensor size: 2 but got: 1",
    ),
    "rows of other shape": (
        {"instances": [[1, 2], [[3], [4]]]},
        ONE,
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
        "Expecting shape [2] but got: [2,1]",
    ),
    "a ragged column": (
        {"inputs": [[1, 2], [3]]},
        ONE,
        "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    "a value among lists": (
        {"inputs": [[1], 2]},
        ONE,
        "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
    "a list among values": (
        {"inputs": [1, [2]]},
        ONE,
        "Encountered list at unexpected level: 1 expected < 1",
    ),
    "plain rows for two inputs": (
        {"instances": [1]},
        TWO,
        "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
        "tensorinfo_map",
    ),
    "a plain column for two inputs": (
        {"inputs": [1]},
        TWO,
        "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
        "tensorinfo_map",
    ),
    "a column that is missing": ({"inputs": {"x": [1]}}, TWO, "Missing named input: y in 'inputs' object."),
    "a row without an input": (
        {"instances": [{"x": 1}]},
        TWO,
        "Failed to process element: 0 of 'instances' list. JSON object: {\"x\":1} keys must be equal to: x,y",
    ),
    "a row with another name": (
        {"instances": [{"x": 1, "y": 1, "z": 1}]},
        TWO,
        "Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: "
        "JSON object: does not have named input: z",
    ),
    "a value among objects": (
        {"instances": [{"x": 1}, 2]},
        ONE,
        "Expecting object but got list at item 1 of input list",
    ),
    "an object among values": (
        {"instances": [1, {"x": 2}]},
        ONE,
        "Expecting value/list but got object at item 1 of input list",
    ),
    "base64 that is none": ({"inputs": [{"b64": "%"}]}, {"x": "string"}, "Unable to base64 decode"),
    "an object that is no base64": (
        {"inputs": [{"b65": "YQ=="}]},
        {"x": "string"},
        "not formatted correctly for base64 data",
    ),
    "base64 for a number": ({"inputs": [{"b64": "YQ=="}]}, ONE, "is not of expected type: float"),
    "lists without end": ({"inputs": json.loads("[" * 100 + "1" + "]" * 100)}, ONE, "nested 100 deep"),
}


@pytest.mark.parametrize("case", TEXTS, ids=str)
def test_what_is_wrong_is_said_as_tensorflow_serving_says_it(case: str) -> None:
    document, inputs, text = TEXTS[case]
    assert text in refusal(document, **inputs)


@pytest.mark.parametrize("depth", [1000, 1100, 100_000])
def test_nesting_without_end_is_an_error(depth: int) -> None:
    refusal(b'{"instances": ' + b"[" * depth + b"]" * depth + b"}", x="float32")
    refusal(b'{"instances": [NaN, ' + b"[" * depth + b"]" * depth + b"]}", x="float32")


def test_types_without_json_are_unimplemented() -> None:
    with pytest.raises(StatusError, match="Conversion of JSON Value: 1 to type: half") as refused:
        read({"inputs": [1]}, x="float16")
    assert refused.value.code is Code.UNIMPLEMENTED
    with pytest.raises(StatusError, match="Failed to write JSON value for tensor type: half"):
        json_tensors.write_outputs({"x": np.zeros(1, np.float16)}, True)


def test_nan_and_infinity_are_read_and_written() -> None:
    values = read(b'{"instances": [NaN, -Infinity, Infinity, 1]}', x="float32")["x"]
    np.testing.assert_array_equal(values, np.array([np.nan, -np.inf, np.inf, 1], np.float32))
    assert json_tensors.write_outputs({"x": values}, True) == b'{"predictions":[NaN,-Infinity,Infinity,1.0]}'
    scalar = np.array(np.nan)
    assert json_tensors.write_outputs({"x": scalar}, False) == b'{"outputs":NaN}'


def test_bytes_go_in_and_out_as_base64() -> None:
    raw = bytes(range(256))
    encoded = {"b64": base64.b64encode(raw).decode()}
    array = read({"instances": [encoded, "text"]}, x="string")["x"]
    assert array.tolist() == [raw, b"text"]
    assert read({"inputs": encoded}, x="string")["x"][()] == raw
    written = json.loads(json_tensors.write_outputs({"x_bytes": array[:1]}, True))
    assert written == {"predictions": [encoded]}


def test_strings_that_are_not_utf8_keep_their_bytes() -> None:
    array = read(b'{"instances": ["a\xff"]}', x="string")["x"]
    assert array.tolist() == [b"a\xff"]
    assert json_tensors.write_outputs({"x": array}, True) == b'{"predictions":["a\xff"]}'


def test_unknown_columns_are_ignored() -> None:
    assert list(read({"inputs": {"x": [1], "z": "?"}}, x="float32")) == ["x"]


def test_empty_rows_have_a_shape() -> None:
    assert read({"instances": [[], []]}, x="string")["x"].shape == (2, 0)
    assert json_tensors.write_outputs({"x": np.zeros((2, 0), np.float32)}, True) == b'{"predictions":[[],[]]}'


def test_outputs_without_a_common_first_dimension_are_no_rows() -> None:
    with pytest.raises(StatusError, match="Tensor name: y has inconsistent batch size: 2 expecting: 1"):
        json_tensors.write_outputs({"x": np.zeros(1), "y": np.zeros(2)}, True)
    with pytest.raises(StatusError, match="Tensor name: x has no shape information"):
        json_tensors.write_outputs({"x": np.zeros(())}, True)


def test_examples_are_read() -> None:
    body = {
        "signature_name": "c",
        "context": {"u": "me"},
        "examples": [{"i": [1, True], "f": 1.5, "s": ["a", {"b64": "/w=="}]}, {}],
    }
    name, request = json_examples.read_examples(json.dumps(body).encode())
    assert name == "c"
    found = request.example_list_with_context
    assert found.context.features.feature["u"].bytes_list.value == [b"me"]
    assert len(found.examples) == 2
    feature = found.examples[0].features.feature
    assert feature["i"].int64_list.value == [1, 1]
    assert feature["f"].float_list.value == [1.5]
    assert feature["s"].bytes_list.value == [b"a", b"\xff"]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, "key 'examples' is expected and was not found"),
        ({"examples": 1}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"a": None}]}, "Feature: a has element with unexpected JSON type: Null"),
        ({"examples": [{"a": [[1]]}]}, "Feature: a has element with unexpected JSON type: Array"),
        ({"examples": [{"a": [1, 1.5]}]}, "Unexpected element type in feature: a expecting type: int64"),
        ({"examples": [{"a": 2**63}]}, "Feature: a has uint64 element. Only int64_t is supported."),
    ],
)
def test_what_is_no_example_is_said_as_tensorflow_serving_says_it(document: Any, text: str) -> None:
    with pytest.raises(StatusError) as refused:
        json_examples.read_examples(json.dumps(document).encode())
    assert text in refused.value.message


@settings(max_examples=1000, deadline=None)
@given(
    st.binary(max_size=40) | st.text(alphabet='{}[]",:\\u0dD8c1.eE-NaInfity ', max_size=25).map(str.encode)
)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        json_text.parse(body)
    except StatusError as error:
        assert error.code is Code.INVALID_ARGUMENT
        error_body.write(error).decode()
