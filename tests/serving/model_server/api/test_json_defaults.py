"""What a REST body leaves out is filled in from the signature's defaults."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tensorflow as tf
from support.models.contract_signatures import of_the_contract
from support.models.json_requests import signature

import contract
from serving.model_server.api import json_tensors
from serving.protocol.errors import Code, StatusError

IDS, STARS = contract.HISTORY_ITEM_IDS, contract.HISTORY_RATINGS
TWO_ROWS = {"instances": [{IDS: ["1", "6"]}, {IDS: ["2", "3"]}]}


def read_ours(document: Any, name: str = contract.SERVING_DEFAULT, default_k: int = 0) -> dict[str, Any]:
    """What is read by a signature of the contract, as lists."""
    body = json_tensors.read_predict(json.dumps(document).encode())
    found = body.tensors(of_the_contract(name, default_k))
    return {name: array.tolist() for name, array in found.items()}


def read_theirs(document: Any, **defaults: Any) -> dict[str, Any]:
    """What is read by another model's signature of x: float32 and of strings that have defaults."""
    found = signature(x="float32", **dict.fromkeys(defaults, "string"))
    for name, default in defaults.items():
        found.proto.defaults[name].CopyFrom(tf.make_tensor_proto(default, tf.string))
    read = json_tensors.read_predict(json.dumps(document).encode()).tensors(found)
    return {name: array.tolist() for name, array in read.items()}


def test_what_no_row_gives_is_left_to_the_defaults() -> None:
    assert read_ours(TWO_ROWS) == {IDS: [[b"1", b"6"], [b"2", b"3"]]}
    found = read_ours({"inputs": {IDS: [["1"]], STARS: [[3]]}})
    assert found == {IDS: [[b"1"]], STARS: [[3.0]]}


def test_what_only_some_rows_give_is_filled_in_for_the_others() -> None:
    rows = [{IDS: ["1", "6"], STARS: [5, 4.5]}, {IDS: ["2", "3"]}, {IDS: ["4", "5"]}]
    assert read_ours({"instances": rows})[STARS] == [[5.0, 4.5], [0.0, 0.0], [0.0, 0.0]]
    rows = [{contract.ITEM_ID: "1"}, {contract.ITEM_ID: "2", contract.K: 3}, {contract.ITEM_ID: "4"}]
    assert read_ours({"instances": rows}, contract.SIMILAR, 10)[contract.K] == [10, 3, 10]


def test_rows_that_say_nothing_are_still_counted() -> None:
    found = read_ours({"instances": [{}, {}]}, contract.RECOMMEND)
    assert [len(rows) for rows in found.values()] == [2]


# Of other models: a scalar, more than one value, none, no text.
DEFAULTS: dict[str, Any] = {"scalar": b"xy", "two": [b"5", b"6"], "empty": [], "bytes": [b"\xff"]}


@pytest.mark.parametrize("default", DEFAULTS.values(), ids=DEFAULTS)
def test_of_other_models_an_input_is_left_out_by_all_rows_or_by_none(default: Any) -> None:
    left_out = {"instances": [{"x": 1}, {"x": 2}]}
    assert read_theirs(left_out, y=default) == {"x": [1.0, 2.0]}
    given = {"instances": [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]}
    assert read_theirs(given, y=default) == {"x": [1.0, 2.0], "y": [b"a", b"b"]}
    mixed = {"instances": [{"x": 1, "y": "a"}, {"x": 2}]}
    with pytest.raises(StatusError, match="keys must be equal to: x,y") as refused:
        read_theirs(mixed, y=default)
    assert refused.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("default", DEFAULTS.values(), ids=DEFAULTS)
def test_rows_of_other_models_that_say_nothing_are_refused(default: Any) -> None:
    found = signature(y="string")
    found.proto.defaults["y"].CopyFrom(tf.make_tensor_proto(default, tf.string))
    with pytest.raises(StatusError, match="keys must be equal to: y") as refused:
        json_tensors.read_predict(b'{"instances": [{}, {}]}').tensors(found)
    assert refused.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "document",
    [
        {"instances": [{STARS: [3]}]},
        {"instances": [{IDS: ["1"]}, {STARS: [3]}]},
        {"instances": [{IDS: ["1"], "unknown": 3}]},
        {"inputs": {STARS: [[3]]}},
    ],
)
def test_a_required_input_and_an_unknown_one_are_refused_with_defaults_too(document: Any) -> None:
    with pytest.raises(StatusError) as refused:
        read_ours(document)
    assert refused.value.code is Code.INVALID_ARGUMENT
