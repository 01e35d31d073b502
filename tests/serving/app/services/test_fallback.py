"""A model server that is stopped and goes on: lists are marked, none fails, and it is back soon."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from support.servers.app import running


@pytest.fixture(scope="module")
def hasty(model_server, tmp_path_factory) -> Iterator[TestClient]:
    """An application that waits 300 ms for the model."""
    with running(model_server, tmp_path_factory.mktemp("hasty")) as client:
        services = client.app.state.services
        services.recommendations._timeout_s = services.items._timeout_s = 0.3
        yield client


def list_of(client, person="ada", **params):
    answer = client.get(f"/v1/people/{person}/recommendations", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer):
    return [item["id"] for item in answer["items"]]


def test_lists_go_on_without_the_model_and_come_back(hasty, model_server):
    for person in ("ada", "bob"):
        hasty.post("/v1/people", json={"id": person})
        popular = ids(hasty.get("/v1/popular").json())
        hasty.post(f"/v1/people/{person}/events", json={"kind": "like", "item_id": popular[0]})
    end = time.monotonic() + 60
    while (good := list_of(hasty))["source"] != "model":
        assert time.monotonic() < end, good
    model_server.process.send_signal(signal.SIGSTOP)
    try:
        cached = list_of(hasty)
        assert (cached["source"], ids(cached)) == ("cached", ids(good))
        assert "in time" in cached["reason"]
        seen = ids(cached)[0]
        assert hasty.post("/v1/people/ada/events", json={"kind": "view", "item_id": seen}).status_code == 201
        assert ids(list_of(hasty)) == ids(good)[1:]
        other = list_of(hasty, "bob", year_min=1990)
        assert other["source"] == "popular" and popular[0] not in ids(other)
        assert ids(other) == [
            id_ for id_ in ids(hasty.get("/v1/popular", params={"k": 11, "year_min": 1990}).json())
            if id_ != popular[0]
        ][:10]  # fmt: skip
        similar = hasty.get(f"/v1/items/{popular[0]}/similar").json()
        assert similar["source"] == "popular" and popular[0] not in ids(similar)
        # Five failures in a row open the breaker: what follows does not wait.
        started = time.monotonic()
        reasons = [list_of(hasty)["reason"] for _ in range(5)]
        assert "again within a second" in reasons[-1] and time.monotonic() - started < 5
        assert hasty.get("/health/ready").json()["model"] == "not answering"
    finally:
        model_server.process.send_signal(signal.SIGCONT)
    end = time.monotonic() + 5
    while list_of(hasty)["source"] != "model":
        assert time.monotonic() < end
        time.sleep(0.1)
