"""An experiment over the API: begun only on versions that are there, and answered from the first request."""

from __future__ import annotations

import dataclasses

import pytest
from prometheus_client import REGISTRY
from support.servers.app import running

_CONTROL = {"name": "control"}
_PEOPLE = [f"p{n}" for n in range(20)]


@pytest.fixture(scope="module")
def labelled(model_server, tmp_path_factory):
    """An application whose default version is the one with the label."""
    with running(model_server, tmp_path_factory.mktemp("labelled"), label="canary", poll_s=60) as client:
        for person in _PEOPLE:
            client.post("/v1/people", json={"id": person})
        yield client


def test_a_label_that_no_version_has_is_refused_and_nothing_begins(labelled):
    body = {"id": "x", "variants": [_CONTROL, {"name": "new", "label": "cannary"}]}
    answer = labelled.post("/v1/experiments", json=body)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "variants.1.label"
    assert (
        'no version with the label "cannary"' in error["detail"]
        and "Unrecognized servable version label" in error["detail"]
    )
    assert labelled.get("/v1/experiments").json() == []
    assert labelled.get("/health/ready").json()["model"] == "answering"


def test_every_variant_answers_at_once_and_events_count_for_the_version_shown(labelled):
    services = labelled.app.state.services
    body = {"id": "x", "variants": [_CONTROL, {"name": "new", "label": "canary"}]}
    assert labelled.post("/v1/experiments", json=body).status_code == 201
    # The variant without a label is the default version, here one with a label.
    for person in _PEOPLE:
        answer = labelled.get(f"/v1/people/{person}/recommendations")
        assert answer.status_code == 200, answer.text
        assert answer.json()["source"] == "model"
    snapshot = services.versions.current()
    services.versions._current["other"] = dataclasses.replace(snapshot, version=99)
    running = services.experiments.running
    variants = [running.variants[0], running.variants[1].model_copy(update={"label": "other"})]
    services.experiments._running = running.model_copy(update={"variants": variants})
    of = {person: services.experiments.assign(person).variant for person in _PEOPLE}
    assert set(of.values()) == {"control", "new"}

    def counted(version: int) -> float:
        labels = {"kind": "view", "version": str(version)}
        return REGISTRY.get_sample_value("marquee_app_events_total", labels) or 0.0

    for variant, version in (("control", snapshot.version), ("new", 99)):
        person = next(person for person, name in of.items() if name == variant)
        before = counted(version)
        event = {"kind": "view", "item_id": snapshot.catalogue.ids[0]}
        assert labelled.post(f"/v1/people/{person}/events", json=event).status_code == 201
        assert counted(version) == before + 1
