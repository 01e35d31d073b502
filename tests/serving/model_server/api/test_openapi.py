"""The REST description is true: requests made by it are answered as it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.models import conformance_models
from support.models.conformance_models import ECHO, HALF
from support.servers.model_servers import OUR_COMMAND, Server, start

CHECKS = (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("openapi")
    conformance_models.write(folder)
    found = start(OUR_COMMAND, [flag.format(folder) for flag in conformance_models.FLAGS], folder)
    yield found
    assert found.stop() == 0
    assert "Traceback" not in found.output, found.output


def is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def ask(server: Server, mode: GenerationMode, examples: int) -> dict[int, int]:
    """Asks every operation of the description; gives how often each status came."""
    description = schemathesis.openapi.from_url(f"http://{server.rest}/openapi.json")
    statuses: dict[int, int] = {}
    for found in description.get_all_operations():
        operation = found.ok()
        if operation.method == "get" and mode is GenerationMode.NEGATIVE:
            continue  # it has nothing that could be wrong

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @seed(examples)
        @given(case=operation.as_strategy(generation_mode=mode))
        def one(case: Any) -> None:
            response = case.call()
            # Bytes given as b64 come back raw, as TensorFlow Serving returns them: no UTF-8, no JSON.
            raw = response.status_code == 200 and "b64" in str(case.body) and not is_text(response.content)
            case.validate_response(response, checks=(status_code_conformance,) if raw else CHECKS)
            # 501 is TensorFlow Serving's answer to JSON for a type that it cannot convert.
            assert response.status_code < 500 or response.status_code == 501, response.text
            statuses[response.status_code] = statuses.get(response.status_code, 0) + 1

        one()
    return statuses


def check(server: Server, examples: int) -> None:
    valid = ask(server, GenerationMode.POSITIVE, examples)
    # Shapes that do not fit and values that the model refuses fit the description all the same.
    assert valid[200] > sum(valid.values()) / 8, valid
    invalid = ask(server, GenerationMode.NEGATIVE, examples)
    assert invalid[400] > sum(invalid.values()) / 2, invalid


def test_requests_of_the_description_are_answered_as_it_says(server: Server) -> None:
    check(server, 6)


def test_it_describes_what_is_loaded(server: Server) -> None:
    found = server.http("GET", "/openapi.json").json
    assert f"/v1/models/{HALF}:predict" in found["paths"]
    assert f"/v1/models/{HALF}/versions/2:classify" in found["paths"]
    assert f"/v1/models/{ECHO}:classify" not in found["paths"]
    body = found["paths"][f"/v1/models/{ECHO}:predict"]["post"]["requestBody"]["content"]["application/json"]
    rows = [one for one in body["schema"]["oneOf"] if one["description"] == "two, a row per instance"]
    (row,) = rows
    largest = float(np.finfo(np.float32).max)
    assert row["properties"]["instances"]["items"]["properties"] == {
        "a": {"type": "number", "format": "float", "minimum": -largest, "maximum": largest},
        "b": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    }
