"""The OpenAPI description: complete, with examples, and true under random requests."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from pydantic import TypeAdapter
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.servers.app import listening

from serving.app.api import experiments, health, items, people, recommendations

CHECKS = (
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
EXAMPLES = 25
# httptools reads no longer ones.
LONGEST_URL = 2**16
# Operations without parameters and body.
NOTHING_WRONG = ("/health/live", "/health/ready", "/metrics", "/v1/model")


def test_every_operation_has_words_and_every_body_examples(api):
    document = api.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"] and operation["description"], (method, path)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                assert content["examples"], (method, path)
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"], (method, path, status)


def test_every_operation_has_an_example_of_its_answer_which_its_model_takes(api):
    """Of the model's own fields, all of them: one that is new and left out of the example would show."""
    modules = (recommendations, people, items, experiments, health)
    routes = [route for module in modules for route in module.router.routes]
    paths = api.get("/v1/openapi.json").json()["paths"]
    seen = 0
    for route in routes:
        for method in route.methods:
            responses = paths[route.path_format][method.lower()]["responses"]
            good = {status: one for status, one in responses.items() if status < "300"}
            for content in (one["content"] for status, one in good.items() if status != "204"):
                if route.response_model is None:
                    assert content["text/plain"]["example"], route.path
                    continue
                kind = TypeAdapter(route.response_model)
                for example in content["application/json"]["examples"].values():
                    assert kind.dump_python(kind.validate_python(example["value"])) == example["value"]
                    seen += 1
    assert seen > 20


def test_examples_of_bodies_are_accepted(api):
    document = api.get("/v1/openapi.json").json()
    api.post("/v1/people", json={"id": "example"})
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                for example in content["examples"].values():
                    url = path.format(person="example", event="e-1002", experiment="towers-2")
                    answer = api.request(method, url, json=example["value"])
                    assert answer.status_code < 300, (method, url, answer.text)
    api.post("/v1/experiments/towers-2/stop")


@pytest.mark.long
def test_no_random_request_breaks_the_api_or_its_description(model_server, tmp_path):
    with listening(model_server, tmp_path) as address:
        description = schemathesis.openapi.from_url(f"{address}/v1/openapi.json")
        operations = [found.ok() for found in description.get_all_operations()]
        assert len(operations) > 15
        for operation, mode in itertools.product(
            operations, (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        ):
            if mode is GenerationMode.NEGATIVE and operation.path in NOTHING_WRONG:
                continue

            @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
            @seed(EXAMPLES)
            @given(case=operation.as_strategy(generation_mode=mode))
            def one(case: Any) -> None:
                answer = case.call()
                if answer.status_code == 400 and len(answer.request.url) >= LONGEST_URL:
                    return  # the HTTP parser's, before the application
                case.validate_response(answer, checks=CHECKS)

            one()
