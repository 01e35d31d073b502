"""REST predict: row and column format, values, names."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from support.models.conformance_models import CANARY, ECHO, HALF, STABLE
from support.servers.model_servers import Target

PREDICT = f"/v1/models/{HALF}:predict"
ECHO_PREDICT = f"/v1/models/{ECHO}:predict"


def answer(rest: Target, path: str, body: Any) -> Any:
    found = rest.http("POST", path, body)
    assert found.status == 200, found.body
    assert found.headers["Content-Type"].startswith("application/json")
    return found.json


def test_rows_give_predictions(rest: Target) -> None:
    assert answer(rest, PREDICT, {"instances": [1.0, 2.0]}) == {"predictions": [3.5, 4.0]}


def test_rows_of_lists_give_lists(rest: Target) -> None:
    assert answer(rest, PREDICT, {"instances": [[1, 2], [3, 4]]}) == {"predictions": [[3.5, 4.0], [4.5, 5.0]]}


def test_the_only_input_may_be_named_in_a_row(rest: Target) -> None:
    assert answer(rest, PREDICT, {"instances": [{"x": 1.0}]}) == {"predictions": [3.5]}


def test_columns_give_outputs(rest: Target) -> None:
    assert answer(rest, PREDICT, {"inputs": [1.0, 2.0]}) == {"outputs": [3.5, 4.0]}
    assert answer(rest, PREDICT, {"inputs": {"x": [1.0, 2.0]}}) == {"outputs": [3.5, 4.0]}


def test_a_scalar_is_a_column(rest: Target) -> None:
    assert answer(rest, PREDICT, {"inputs": 1.0}) == {"outputs": 3.5}
    assert answer(rest, ECHO_PREDICT, {"inputs": "a"}) == {"outputs": "a"}
    assert answer(rest, ECHO_PREDICT, {"inputs": {"b64": "YQ=="}}) == {"outputs": "a"}


def test_several_outputs_are_named(rest: Target) -> None:
    rows = {"signature_name": "two", "instances": [{"a": 1.5, "b": 2}, {"a": 0.5, "b": -1}]}
    assert answer(rest, ECHO_PREDICT, rows) == {"predictions": [{"sum": 3.5, "b": 2}, {"sum": -0.5, "b": -1}]}
    columns = {"signature_name": "two", "inputs": {"a": [1.5, 0.5], "b": [2, -1]}}
    assert answer(rest, ECHO_PREDICT, columns) == {"outputs": {"sum": [3.5, -0.5], "b": [2, -1]}}


def test_a_row_must_have_exactly_the_inputs(rest: Target) -> None:
    for row in ({"a": 1.5}, {"a": 1.5, "b": 2, "c": 3}):
        found = rest.http("POST", ECHO_PREDICT, {"signature_name": "two", "instances": [row]})
        assert found.status == 400
        assert "Failed to process element: 0" in found.error


def test_a_missing_column_is_an_error(rest: Target) -> None:
    found = rest.http("POST", ECHO_PREDICT, {"signature_name": "two", "inputs": {"a": [1.5]}})
    assert (found.status, found.error) == (400, "Missing named input: b in 'inputs' object.")


def test_an_unknown_column_is_ignored(rest: Target) -> None:
    body = {"signature_name": "two", "inputs": {"a": [1.5], "b": [2], "c": [3]}}
    assert answer(rest, ECHO_PREDICT, body) == {"outputs": {"sum": [3.5], "b": [2]}}


def test_outputs_of_different_lengths_are_no_rows(rest: Target) -> None:
    rows = rest.http("POST", ECHO_PREDICT, {"signature_name": "uneven", "instances": [1.0, 2.0]})
    assert rows.status == 400
    assert "has inconsistent batch size" in rows.error
    columns = {"signature_name": "uneven", "inputs": [1.0, 2.0]}
    assert answer(rest, ECHO_PREDICT, columns) == {"outputs": {"a": [1.0, 2.0], "first": [1.0]}}


def test_an_output_without_rows_is_no_prediction(rest: Target) -> None:
    rows = rest.http("POST", ECHO_PREDICT, {"signature_name": "total", "instances": [1.0, 2.0]})
    assert rows.status == 400
    assert "has no shape information" in rows.error
    assert answer(rest, ECHO_PREDICT, {"signature_name": "total", "inputs": [1.0, 2.0]}) == {"outputs": 3.0}


def test_both_or_neither_format_is_an_error(rest: Target) -> None:
    both = rest.http("POST", PREDICT, {"instances": [1.0], "inputs": [1.0]})
    assert both.status == 400
    assert "one of 'inputs' or 'instances' keys" in both.error
    neither = rest.http("POST", PREDICT, {})
    assert (neither.status, neither.error) == (400, "Missing 'inputs' or 'instances' key")
    empty = rest.http("POST", PREDICT, {"instances": []})
    assert empty.status == 400
    assert "No values in 'instances' array" in empty.error


def test_the_signature_name_is_optional(rest: Target) -> None:
    body = {"signature_name": "serving_default", "instances": [1.0]}
    assert answer(rest, PREDICT, body) == {"predictions": [3.5]}


def test_a_signature_that_is_not_there_is_an_error(rest: Target) -> None:
    found = rest.http("POST", PREDICT, {"signature_name": "s", "instances": [1.0]})
    assert (found.status, found.error) == (400, 'Serving signature name: "s" not found in signature def')
    found = rest.http("POST", PREDICT, {"signature_name": 1, "instances": [1.0]})
    assert found.status == 400
    assert "'signature_name' key must be a string value." in found.error


def test_b64_carries_bytes_in(rest: Target) -> None:
    body = {"instances": [{"b64": base64.b64encode("è".encode()).decode()}, "a"]}
    assert answer(rest, ECHO_PREDICT, body) == {"predictions": ["è", "a"]}
    named = {"instances": [{"text": {"b64": "YQ=="}}]}
    assert answer(rest, ECHO_PREDICT, named) == {"predictions": ["a"]}


def test_outputs_named_bytes_come_back_as_b64(rest: Target) -> None:
    value = {"b64": base64.b64encode(bytes(range(256))).decode()}
    body = {"signature_name": "bytes", "instances": [value, "a"]}
    assert answer(rest, ECHO_PREDICT, body) == {"predictions": [value, {"b64": "YQ=="}]}


def test_bad_b64_is_an_error(rest: Target) -> None:
    found = rest.http("POST", ECHO_PREDICT, {"instances": [{"b64": "%%%"}]})
    assert found.status == 400
    assert "Unable to base64 decode" in found.error


def test_nan_and_infinity_go_in_and_out(rest: Target) -> None:
    body = b'{"signature_name": "identity_float32", "inputs": [NaN, Infinity, -Infinity, 1]}'
    nan, *others = answer(rest, ECHO_PREDICT, body)["outputs"]
    assert math.isnan(nan)
    assert others == [math.inf, -math.inf, 1.0]


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("float32", 0.1),
        ("float64", 0.1),
        ("int8", -128),
        ("uint8", 255),
        ("int16", -32768),
        ("int32", -(2**31)),
        ("int64", -(2**63)),
        ("uint32", 2**32 - 1),
        ("uint64", 2**64 - 1),
        ("bool", True),
        ("string", 'ü\n"\\ \U0001f3ac'),
    ],
)
def test_values_keep_their_type(rest: Target, dtype: str, value: Any) -> None:
    found = answer(rest, ECHO_PREDICT, {"signature_name": f"identity_{dtype}", "inputs": [[value]]})
    assert found == {"outputs": [[value]]}
    assert type(found["outputs"][0][0]) is type(value)


def test_whole_floats_are_written_as_floats(rest: Target) -> None:
    found = rest.http("POST", PREDICT, {"instances": [2.0]})
    assert isinstance(found.json["predictions"][0], float)


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        ("float32", "a", 'JSON Value: "a" Type: String is not of expected type: float'),
        ("float32", None, "JSON Value: null Type: Null is not of expected type: float"),
        ("float32", True, "Type: True is not of expected type: float"),
        ("int32", 1.5, "JSON Value: 1.5 Type: Number is not of expected type: int32"),
        ("int32", 2**31, "JSON Value: 2147483648 Type: Number is not of expected type: int32"),
        ("int64", 2**63, "is not of expected type: int64"),
        ("uint32", -1, "JSON Value: -1 Type: Number is not of expected type: uint32"),
        ("bool", 1, "JSON Value: 1 Type: Number is not of expected type: bool"),
        ("string", 1, "JSON Value: 1 Type: Number is not of expected type: string"),
    ],
)
def test_values_of_another_type_are_errors(rest: Target, dtype: str, value: Any, text: str) -> None:
    found = rest.http("POST", ECHO_PREDICT, {"signature_name": f"identity_{dtype}", "inputs": [value]})
    assert found.status == 400
    assert text in found.error


def test_ragged_lists_are_errors(rest: Target) -> None:
    found = rest.http("POST", PREDICT, {"instances": [[1.0], [1.0, 2.0]]})
    assert found.status == 400
    assert "Expecting tensor size: 1 but got: 2" in found.error
    found = rest.http("POST", PREDICT, {"inputs": [[1.0], [1.0, 2.0]]})
    assert found.status == 400
    assert "Encountered list at unexpected size: 2" in found.error


def test_types_without_json_are_not_implemented(rest: Target) -> None:
    found = rest.http("POST", ECHO_PREDICT, {"signature_name": "identity_complex64", "inputs": [1.0]})
    assert found.status == 501
    assert "to type: complex64" in found.error


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("float32", 2**24 + 1, 2.0**24),
        ("float32", 1435774380, 1435774336.0),
        ("float32", -(2**63), -(2.0**63)),
        ("float32", 1e39, math.inf),
        ("float32", -1.79769e308, -math.inf),
        ("float64", 2**53 + 1, 2.0**53),
    ],
)
def test_a_number_becomes_the_nearest_float(rest: Target, dtype: str, value: float, expected: float) -> None:
    """A whole number too: JavaScript writes 3e9 without a dot."""
    signature = f"identity_{dtype}"
    for rows in (1, 2):
        found = answer(rest, ECHO_PREDICT, {"signature_name": signature, "instances": [value] * rows})
        # As many digits as tell one float of the type from the next.
        assert np.array(found["predictions"], dtype).tolist() == [expected] * rows
        found = answer(rest, ECHO_PREDICT, {"signature_name": signature, "inputs": [[value]] * rows})
        assert np.array(found["outputs"], dtype).tolist() == [[expected]] * rows
    # A scalar is read value by value.
    found = answer(rest, ECHO_PREDICT, {"signature_name": signature, "inputs": value})
    assert np.array(found["outputs"], dtype) == expected


@pytest.mark.parametrize(
    "value",
    [{"a": ["b" * 1000]}, {"a": [[n] for n in range(1000)]}, "\n" * 1000, "\U0001f3ac" * 1000],
    ids=["a long string", "many elements", "ends of lines", "four bytes a character"],
)
def test_a_quoted_value_is_one_short_line(rest: Target, value: Any) -> None:
    """About 256 bytes, whatever the bytes of a character."""
    body = {"signature_name": "identity_float32", "instances": value}
    found = rest.http("POST", ECHO_PREDICT, json.dumps(body, ensure_ascii=False).encode())
    assert found.status == 400
    assert 256 <= len(found.error.encode()) < 400 and "\n" not in found.error


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"instances = [1, 2]", r"JSON Parse error: .+ at offset: 0"),
        (
            b'{"instances": [1, 2}',
            r"JSON Parse error: .+ at offset: 19",
        ),
        (
            b'{"instances": [1]} x',
            r"JSON Parse error: .+ at offset: 19",
        ),
        (b"[1]", "Is not object"),
    ],
)
def test_what_is_no_json_is_an_error_with_its_offset(rest: Target, body: bytes, text: str) -> None:
    found = rest.http("POST", PREDICT, body)
    assert found.status == 400
    # The parser's own sentence is not part of the protocol; the form around it is.
    assert re.search(text, found.error)


def test_a_version_or_label_may_be_asked(rest: Target) -> None:
    for place, added in (
        ("versions/1", 2.0),
        ("versions/2", 3.0),
        (f"labels/{STABLE}", 2.0),
        (f"labels/{CANARY}", 3.0),
    ):
        found = answer(rest, f"/v1/models/{HALF}/{place}:predict", {"instances": [1.0]})
        assert found == {"predictions": [0.5 + added]}


def test_bodies_may_be_compressed(rest: Target) -> None:
    body = gzip.compress(b'{"instances": [1.0]}')
    found = rest.http("POST", PREDICT, body, {"Content-Encoding": "gzip"})
    assert (found.status, found.json) == (200, {"predictions": [3.5]})


def test_a_large_body_is_answered_and_holds_up_nobody(rest: Target) -> None:
    values = [n / 2 for n in range(400_000)]  # some megabytes of text
    with ThreadPoolExecutor(1) as pool:
        large = pool.submit(rest.http, "POST", PREDICT, {"instances": values})
        small = 0
        while not large.done():
            assert answer(rest, PREDICT, {"instances": [1.0]}) == {"predictions": [3.5]}
            small += 1
    assert large.result().json == {"predictions": [value / 2 + 3 for value in values]}
    assert small > 1
