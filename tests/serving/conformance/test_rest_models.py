"""REST: status, metadata, classify and regress."""

from __future__ import annotations

from typing import Any

import pytest
from support.models.conformance_models import HALF, STABLE
from support.servers.model_servers import Target

MODEL = f"/v1/models/{HALF}"


def available(version: int) -> dict[str, Any]:
    status = {"error_code": "OK", "error_message": ""}
    return {"version": str(version), "state": "AVAILABLE", "status": status}


def test_the_status_lists_every_version(rest: Target) -> None:
    found = rest.http("GET", MODEL)
    assert found.status == 200
    versions = sorted(found.json["model_version_status"], key=lambda status: status["version"])
    assert versions == [available(1), available(2)]


def test_the_status_of_a_version(rest: Target) -> None:
    assert rest.http("GET", f"{MODEL}/versions/1").json == {"model_version_status": [available(1)]}


def test_the_status_by_label_has_its_version(rest: Target) -> None:
    found = rest.http("GET", f"{MODEL}/labels/{STABLE}")
    assert available(1) in found.json["model_version_status"]


def test_the_status_of_what_is_not_there_is_not_found(rest: Target) -> None:
    found = rest.http("GET", "/v1/models/m")
    assert (found.status, found.error) == (404, "Could not find any versions of model m")
    found = rest.http("GET", f"{MODEL}/versions/9")
    assert (found.status, found.error) == (404, f"Could not find version 9 of model {HALF}")


@pytest.mark.parametrize(("place", "version"), [("", "2"), ("/versions/1", "1"), (f"/labels/{STABLE}", "1")])
def test_the_metadata_has_all_fields(rest: Target, place: str, version: str) -> None:
    found = rest.http("GET", f"{MODEL}{place}/metadata")
    assert found.status == 200
    assert found.json["model_spec"] == {"name": HALF, "signature_name": "", "version": version}
    signatures = found.json["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", "regress_x_to_y", "classify_x_to_y"} <= set(signatures)
    default = signatures["serving_default"]
    assert default["method_name"] == "tensorflow/serving/predict"
    assert default["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [], "unknown_rank": True},
        "name": default["inputs"]["x"]["name"],
    }
    examples = signatures["regress_x_to_y"]["inputs"]["inputs"]
    assert examples["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}


def test_the_metadata_of_what_is_not_there_is_not_found(rest: Target) -> None:
    found = rest.http("GET", "/v1/models/m/metadata")
    assert (found.status, found.error) == (404, "Servable not found for request: Latest(m)")


def test_regress_gives_a_value_per_example(rest: Target) -> None:
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 1.0}, {"x": [2.0]}, {}]}
    found = rest.http("POST", f"{MODEL}/versions/1:regress", body)
    assert (found.status, found.json) == (200, {"results": [2.5, 3.0, 2.0]})


def test_classify_gives_labels_and_scores(rest: Target) -> None:
    body = {"signature_name": "classify_labels", "examples": [{"x": 1.0}]}
    found = rest.http("POST", f"{MODEL}/versions/1:classify", body)
    assert (found.status, found.json) == (200, {"results": [[["half", 2.5], ["plus", 3.5]]]})


def test_classify_without_labels_gives_empty_ones(rest: Target) -> None:
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": 1.0}]}
    found = rest.http("POST", f"{MODEL}/versions/1:classify", body)
    assert (found.status, found.json) == (200, {"results": [[["", 2.5]]]})


def test_the_context_is_part_of_every_example(rest: Target) -> None:
    body = {"signature_name": "regress_x_to_y", "context": {"x": 1.0}, "examples": [{}, {}]}
    found = rest.http("POST", f"{MODEL}/versions/1:regress", body)
    assert (found.status, found.json) == (200, {"results": [2.5, 2.5]})


def test_classify_needs_its_signature(rest: Target) -> None:
    found = rest.http("POST", f"{MODEL}:classify", {"signature_name": "s", "examples": [{}]})
    assert (found.status, found.error) == (400, "No signature was found with the name: s")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "key 'examples' is expected and was not found"),
        ({"examples": 1}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"x": [1, 1.5]}]}, "Unexpected element type in feature: x"),
        ({"examples": [{"x": 2**63}]}, "Feature: x has uint64 element. Only int64_t is supported."),
    ],
)
def test_bodies_without_examples_are_errors(rest: Target, body: Any, text: str) -> None:
    found = rest.http("POST", f"{MODEL}:classify", body)
    assert found.status == 400
    assert text in found.error
