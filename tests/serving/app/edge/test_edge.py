"""Keys, limits, headers, errors and metrics, as a client meets them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from support.servers.app import running

from serving.app.edge import limits
from serving.app.store.database import Database
from serving.app.store.keys import Keys


@pytest.fixture(scope="module")
def guarded(model_server, tmp_path_factory) -> Iterator[TestClient]:
    """An application that wants keys."""
    folder = tmp_path_factory.mktemp("guarded")
    given = {"keys": "required", "rate_limit": "30/minute", "max_body_bytes": 4096}
    with running(model_server, folder, **given) as client:
        yield client


@pytest.fixture(scope="module")
def key(guarded):
    """Makes a key with some scopes."""

    def make(*scopes: str) -> dict[str, str]:
        async def made() -> str:
            database = Database(guarded.app.state.services.settings.database.get_secret_value())
            try:
                return (await Keys(database).create("test", scopes))[1]
            finally:
                await database.close()

        return {"Authorization": f"Bearer {asyncio.run(made())}"}

    return make


def operations(client):
    for path, methods in client.get("/v1/openapi.json").json()["paths"].items():
        for method in methods:
            yield method.upper(), path


def test_every_operation_but_the_probes_wants_a_key(guarded):
    for method, path in operations(guarded):
        answer = guarded.request(method, path.replace("{", "").replace("}", ""))
        if path.startswith("/health/"):
            assert answer.status_code == 200
        else:
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_does_what_its_scopes_say(guarded, key):
    read, write, admin = key("read"), key("write"), key("admin")
    assert guarded.get("/v1/popular", headers=read).status_code == 200
    assert guarded.post("/v1/people", json={}, headers=read).status_code == 403
    assert guarded.post("/v1/people", json={}, headers=write).status_code == 201
    assert guarded.get("/v1/popular", headers=write).status_code == 403
    assert guarded.get("/v1/experiments", headers=write).status_code == 403
    assert guarded.get("/v1/experiments", headers=admin).status_code == 200
    assert guarded.get("/metrics", headers=read).status_code == 403
    assert guarded.get("/metrics", headers=key("metrics")).status_code == 200
    for text in ("Bearer x", "Bearer ", "Basic eDp5", f"Bearer mq_{'0' * 16}_{'0' * 64}"):
        assert guarded.get("/v1/popular", headers={"Authorization": text}).status_code == 401


def test_a_key_that_asks_too_much_is_told_when_to_come_back(guarded, key):
    headers = key("read")
    answers = [guarded.get("/v1/new", headers=headers) for _ in range(31)]
    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert guarded.get("/v1/new", headers=key("read")).status_code == 200


def test_a_body_beyond_the_limit_is_refused(guarded, key):
    headers = {**key("write"), "Content-Type": "application/json"}
    for body in (b"x" * 4097, iter([b"x" * 3000, b"x" * 3000])):
        answer = guarded.post("/v1/people", content=body, headers=headers)
        assert answer.status_code == 413, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


def test_every_answer_has_the_headers(api):
    for answer in (
        api.get("/v1/popular"),
        api.get("/v1/none"),
        api.get("/health/live"),
        api.put("/v1/popular"),
    ):
        policy = answer.headers["content-security-policy"]
        assert (
            "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers and "access-control-allow-origin" not in answer.headers
        assert len(answer.headers["x-request-id"]) == 32
    own = api.get("/health/live", headers={"X-Request-Id": "mine-1"})
    assert own.headers["x-request-id"] == "mine-1"
    assert len(api.get("/health/live", headers={"X-Request-Id": "a b\tc"}).headers["x-request-id"]) == 32


def test_other_origins_may_not_unless_configured(model_server, tmp_path, api):
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    assert "access-control-allow-origin" not in api.options("/v1/popular", headers=asked).headers
    with running(model_server, tmp_path, cors_origins=("https://shop.example",)) as client:
        answer = client.options("/v1/popular", headers=asked)
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        asked["Origin"] = "https://other.example"
        assert "access-control-allow-origin" not in client.options("/v1/popular", headers=asked).headers


def test_a_bug_is_a_problem_without_its_words(api, monkeypatch):
    def broken(*args):
        raise RuntimeError("secret words")

    monkeypatch.setattr(api.app.state.services.items, "popular", broken)
    answer = api.get("/v1/popular")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "default-src" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        (b'{"kind": "like", "item_id"', "body", "it is not JSON: Expecting ':' delimiter, at character 26"),
        (b"", "body", "Field required"),
        (b"\xff{}", "body", "it is not JSON in UTF-8"),
        (b'["like"]', "body", "Input should be a valid dictionary"),
        (b'{"kind": "rating", "item_id": "1"}', "value", "got none"),
        (b'{"kind": "like", "item_id": "1", "stars": 2}', "stars", "Extra inputs"),
    ],
)
def test_a_body_that_cannot_be_read_is_named_as_such(api, person, body, field, words):
    headers = {"Content-Type": "application/json"}
    answer = api.post(f"/v1/people/{person}/events", content=body, headers=headers)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["field"], words in error["detail"]) == (field, True), error


def test_logs_name_routes_and_requests_but_nobody(api, capsys, popular):
    person = f"quiet-{uuid.uuid4().hex}"
    api.post("/v1/people", json={"id": person})
    api.post(f"/v1/people/{person}/events", json={"kind": "like", "item_id": popular[0]})
    api.get(f"/v1/people/{person}/recommendations", headers={"X-Request-Id": "log-1"})
    api.get(f"/v1/people/{person}/none")
    api.delete(f"/v1/people/{person}")
    out = capsys.readouterr().out
    assert person not in out
    assert "/v1/people/{person}/recommendations" in out and "log-1" in out


def test_metrics_count_requests_sources_and_events(api, person, popular):
    def value(name: str) -> float:
        lines = api.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    before = value("marquee_app_events_total{"), value('marquee_app_answers_total{source="model"')
    api.post(f"/v1/people/{person}/events", json={"kind": "like", "item_id": popular[0]})
    api.get(f"/v1/people/{person}/recommendations")
    after = value("marquee_app_events_total{"), value('marquee_app_answers_total{source="model"')
    assert after == (before[0] + 1, before[1] + 1)
    assert value("marquee_app_model_version") == api.get("/v1/model").json()["version"]
    assert person not in api.get("/metrics").text


def test_the_address_is_the_last_that_no_trusted_proxy_has():
    trusted = {"10.0.0.1", "10.0.0.2"}
    forwarded = ["6.6.6.6, 1.2.3.4, 10.0.0.2"]
    assert limits.address("10.0.0.1", forwarded, trusted) == "1.2.3.4"
    assert limits.address("9.9.9.9", forwarded, trusted) == "9.9.9.9"
    assert limits.address("10.0.0.1", [], trusted) == "10.0.0.1"
    assert limits.address("10.0.0.1", ["nonsense"], trusted) == "10.0.0.1"
    # A proxy that adds a header of its own leaves the client's before it.
    assert limits.address("10.0.0.1", ["6.6.6.6", "1.2.3.4"], trusted) == "1.2.3.4"


def test_an_address_that_asks_too_much_is_refused_but_not_the_probes(model_server, tmp_path):
    with running(model_server, tmp_path, address_limit="3/minute") as client:
        assert [client.get("/v1/new").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert client.get("/health/live").status_code == 200


def test_a_wrong_body_names_its_fields(api, person):
    answer = api.post(
        f"/v1/people/{person}/events/batch",
        content=json.dumps({"events": [{"kind": "like", "item_id": "1"}, {"kind": "LIKE", "colour": 1}]}),
        headers={"Content-Type": "application/json"},
    )
    fields = {error["field"] for error in answer.json()["errors"]}
    assert answer.status_code == 422 and fields == {"events.1.kind", "events.1.item_id", "events.1.colour"}
    for event, field in (
        ({"kind": "rating", "item_id": "1"}, "value"),
        ({"kind": "rating", "item_id": "1", "value": 9}, "value"),
        ({"kind": "like", "item_id": "1", "value": 3}, "value"),
        ({"kind": "purchase", "item_id": "1"}, "kind"),
    ):
        answer = api.post(f"/v1/people/{person}/events", json=event)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field, answer.text
    assert api.post(f"/v1/people/{person}/events", content=b"{", headers={}).status_code == 422


def test_counting_starts_no_threads_and_forgets_what_is_over(monkeypatch):
    limit = limits.RateLimit("5/second", "address")
    before = threading.active_count()
    now = time.time()
    for number in range(200):
        limit.count(f"10.0.0.{number}")
    assert threading.active_count() == before
    kept = limit._counts.expirations
    assert len(kept) == 200
    monkeypatch.setattr(time, "time", lambda: now + 1000)
    limit.count("10.0.1.1")
    assert len(kept) == 1
