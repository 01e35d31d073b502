"""REST paths, methods and statuses."""

from __future__ import annotations

import pytest
from support.models.conformance_models import ECHO, HALF
from support.servers.model_servers import Target

ROW = {"instances": [1.0]}


def test_paths_are_case_insensitive(rest: Target) -> None:
    assert rest.http("POST", f"/V1/Models/{HALF}/VERSIONS/1:predict", ROW).json == {"predictions": [2.5]}
    assert rest.http("GET", f"/V1/MODELS/{HALF}").status == 200


def test_model_names_are_url_decoded(rest: Target) -> None:
    encoded = HALF.replace("_", "%5F")
    assert rest.http("POST", f"/v1/models/{encoded}:predict", ROW).status == 200
    assert rest.http("GET", f"/v1/models/{encoded}").status == 200
    missing = rest.http("GET", "/v1/models/a%20b")
    assert (missing.status, missing.error) == (404, "Could not find any versions of model a b")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/foo"),
        ("GET", "/v1/foo"),
        ("POST", "/v1/models"),
        ("POST", f"/v1/models/{HALF}"),
        ("POST", f"/v1/models/{HALF}/metadata"),
        ("GET", f"/v1/models/{HALF}:predict"),
        ("PUT", f"/v1/models/{HALF}:predict"),
        ("DELETE", f"/v1/models/{HALF}"),
        ("POST", f"/v1/models/{HALF}/:predict"),
        ("POST", f"/v1/models/{HALF}:predict/"),
        ("GET", f"/v1/models/{HALF}/"),
        ("POST", f"/v1/models/{HALF}:explain"),
        ("POST", f"/v1/models/{HALF}/version/1:predict"),
        ("POST", f"/v1/models/{HALF}/versions/one:predict"),
        ("POST", f"/v1/models/{HALF}/versions/1/labels/stable:predict"),
        ("POST", f"/v1/models/{HALF}:predict?a=b"),
    ],
)
def test_requests_of_no_form_are_malformed(rest: Target, method: str, path: str) -> None:
    found = rest.http(method, path, ROW)
    assert (found.status, found.error) == (400, f"Malformed request: {method} {path}")
    assert found.headers["Content-Type"].startswith("application/json")


def test_no_model_name_is_an_error(rest: Target) -> None:
    found = rest.http("GET", "/v1/models")
    assert (found.status, found.error) == (400, "Missing model name in request.")


def test_a_version_beyond_64_bits_is_an_error(rest: Target) -> None:
    found = rest.http("POST", f"/v1/models/{HALF}/versions/{2**64}:predict", ROW)
    assert (found.status, found.error) == (400, f"Failed to convert version: {2**64} to numeric.")


def test_paths_outside_the_api_are_not_found(rest: Target) -> None:
    assert rest.http("GET", "/index.html").status == 404


def test_a_model_that_is_not_served_is_not_found(rest: Target) -> None:
    found = rest.http("POST", "/v1/models/m:predict", ROW)
    assert (found.status, found.error) == (404, "Servable not found for request: Latest(m)")
    found = rest.http("POST", "/v1/models/m:classify", {"examples": [{}]})
    assert (found.status, found.error) == (404, "Servable not found for request: Latest(m)")


def test_a_version_that_is_not_served_is_not_found(rest: Target) -> None:
    found = rest.http("POST", f"/v1/models/{HALF}/versions/9:predict", ROW)
    assert (found.status, found.error) == (404, f"Servable not found for request: Specific({HALF}, 9)")


def test_an_unknown_label_is_an_invalid_argument(rest: Target) -> None:
    found = rest.http("POST", f"/v1/models/{HALF}/labels/l:predict", ROW)
    assert (found.status, found.error) == (400, "Unrecognized servable version label: l")


def test_what_the_model_refuses_is_400(rest: Target) -> None:
    invalid = rest.http("POST", f"/v1/models/{ECHO}:predict", {"signature_name": "checked", "inputs": [-1.0]})
    assert invalid.status == 400
    assert "x must not be negative" in invalid.error
    unready = rest.http("POST", f"/v1/models/{ECHO}:predict", {"signature_name": "unready", "inputs": [1.0]})
    assert unready.status == 400  # FAILED_PRECONDITION
    assert "never_set" in unready.error
