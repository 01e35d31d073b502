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


def test_the_settings_start_weigh_and_stop_an_experiment(model_server, tmp_path):
    def seen(experiment):
        with running(model_server, tmp_path, experiment=experiment) as client:
            return {
                one["id"]: one["stopped"] or {each["name"]: each["weight"] for each in one["variants"]}
                for one in client.get("/v1/experiments").json()
            }

    new = {"name": "new", "label": "canary"}
    first = {"id": "first", "variants": [_CONTROL, new]}
    assert seen(first) == {"first": {"control": 1, "new": 1}}
    assert seen(None) == {"first": {"control": 1, "new": 1}}
    assert seen({**first, "variants": [_CONTROL, {**new, "weight": 3}]}) == {
        "first": {"control": 1, "new": 3}
    }
    assert seen({"id": "first", "variants": [_CONTROL, {"name": "b"}]}) == {"first": {"control": 1, "new": 3}}
    # An experiment keeps its variants and their labels.
    other = [_CONTROL, {"name": "new", "label": ""}]
    assert seen({"id": "first", "variants": other}) == {"first": {"control": 1, "new": 3}}
    second = {"id": "second", "variants": [_CONTROL, new]}
    found = seen(second)
    assert found["second"] == {"control": 1, "new": 1} and isinstance(found["first"], int)
    # What was stopped is not begun again: its people were counted up to then.
    assert seen(first) == found
    assert all(isinstance(stopped, int) for stopped in seen({**second, "running": False}).values())


def test_an_experiment_of_the_settings_waits_for_its_version(model_server, tmp_path):
    wanted = {"id": "early", "variants": [_CONTROL, {"name": "new", "label": "cannary"}]}
    with running(model_server, tmp_path, experiment=wanted) as client:
        assert client.get("/v1/experiments").json() == []
        assert client.get("/health/ready").json()["model"] == "answering"
        experiments = client.app.state.services.experiments
        variants = [variant.model_copy(update={"label": ""}) for variant in experiments._configured.variants]
        experiments._configured = experiments._configured.model_copy(update={"variants": variants})
        client.portal.call(experiments._round)
        assert experiments.running.id == "early"


def test_two_variants_of_one_name_are_refused(labelled):
    answer = labelled.post("/v1/experiments", json={"id": "y", "variants": [_CONTROL, _CONTROL]})
    assert answer.status_code == 422 and "twice there: control" in answer.text
