"""A model server that is stopped and goes on: lists are marked, none fails, and it is back soon."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from support.servers.app import running

from serving.app.results import Wishes
from serving.app.services import fallback


@pytest.fixture(scope="module")
def hasty(model_server, tmp_path_factory) -> Iterator[TestClient]:
    """An application that waits 300 ms for the model."""
    with running(model_server, tmp_path_factory.mktemp("hasty")) as client:
        services = client.app.state.services
        services.recommendations._timeout_s = services.items._timeout_s = 0.3
        yield client


def test_the_popular_list_is_that_of_the_model_whatever_is_wished(api, popular):
    """Asked without a history, the model itself answers the popular list: the rules are the same."""
    versions = api.app.state.services.versions
    genres = api.get("/v1/model").json()["taste_values"]
    for given in (
        {},
        {"where": [f"genres!={genres[0]}"]},
        {"where": [f"genres!={genres[0]}", f"genres!={genres[1]}", f"genres={genres[2]}"]},
        {"where": ["year!=1995", "year>=1990"]},
        {"where": [f"genres={genres[0]}", f"genres={genres[3]}", "year<=1999"]},
        {"candidates": [popular[7], popular[3], "no-such-item", popular[40]]},
        {"boosts": {popular[30]: 2.0, popular[0]: -0.5, "no-such-item": 1.0, popular[9]: 0.01}},
        {"at_most": {"genres": 1}},
        {"at_most": {"genres": 2}, "where": ["year!=1994"], "boosts": {popular[20]: 1.0}},
        {"candidates": popular[:20], "at_most": {"genres": 3}, "genres": genres[:2]},
    ):
        wishes = Wishes(k=20, **given)
        answer = api.post("/v1/recommendations", json=wishes.model_dump()).json()
        assert answer["source"] == "model", answer
        mine = fallback.popular(versions.current(), wishes, ())
        assert [one.id for one in mine] == ids(answer), given
        assert [one.score for one in mine] == pytest.approx([one["score"] for one in answer["items"]])


def test_a_last_list_of_other_boosts_is_not_given(api, popular):
    snapshot = api.app.state.services.versions.current()
    boosted = Wishes(k=3, boosts={popular[1]: 0.5})
    kept = fallback.popular(snapshot, boosted, ())
    lists = fallback.LastLists()
    lists.keep("ada", snapshot.version, boosted, kept)
    assert lists.get("ada", snapshot, boosted, ()) == kept
    assert lists.get("ada", snapshot, Wishes(k=3), ()) is None
    only = boosted.model_copy(update={"candidates": [kept[0].id, kept[2].id]})
    assert lists.get("ada", snapshot, only, ()) == [kept[0], kept[2]]


def list_of(client, person="ada", **params):
    answer = client.get(f"/v1/people/{person}/recommendations", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer):
    return [item["id"] for item in answer["items"]]


def test_a_last_list_is_kept_for_an_hour(monkeypatch):
    """The process that erases a person forgets theirs at once; another one must not keep it for ever."""
    now = 1000.0
    monkeypatch.setattr(fallback.time, "monotonic", lambda: now)
    lists = fallback.LastLists()
    version = SimpleNamespace(version=7, catalogue=[])
    lists.keep("ada", 7, Wishes(), [])
    lists.keep("bob", 7, Wishes(), [])
    now += 3601
    assert lists.get("ada", version, Wishes(), ()) is None
    lists.keep("cy", 7, Wishes(), [])
    assert list(lists._lists) == ["cy"]


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
