"""Users of the training data on the data's own scale, and no request more than the page shows."""

from __future__ import annotations

import dataclasses

import pytest
from prometheus_client import REGISTRY

import contract
from serving.app.link.versions import Versions


@pytest.fixture
def calls():
    """How often a signature has been asked so far."""
    return lambda name: REGISTRY.get_sample_value("marquee_app_model_seconds_count", {"call": name}) or 0.0


def test_ratings_are_on_the_scale_of_the_data(api, monkeypatch, calls):
    services = api.app.state.services
    user = services.known_users.all()[0].id
    before = calls(contract.EXPLAIN)
    plain = api.portal.call(services.known_users.look, user, 5)
    assert plain.answer.source == "model" and plain.held_out and plain.held_out[0].predicted is not None
    assert calls(contract.EXPLAIN) == before
    snapshot = services.versions.current()
    described = dataclasses.replace(snapshot.description, data_rating_scale=(1.0, 10.0))
    scaled = dataclasses.replace(snapshot, description=described)
    monkeypatch.setattr(Versions, "current", lambda self, label=None: scaled)
    other = api.portal.call(services.known_users.look, user, 5)
    # The model is asked the same, in stars: only what is shown is on the other scale.
    assert [item.id for item in other.answer.items] == [item.id for item in plain.answer.items]
    for name in ("history", "held_out"):
        for mine, theirs in zip(getattr(other, name), getattr(plain, name), strict=True):
            assert mine.rating == pytest.approx(1 + (theirs.rating - 0.5) * 2)
            assert (mine.predicted is None) == (theirs.predicted is None)
            if theirs.predicted is not None:
                assert mine.predicted == pytest.approx(1 + (theirs.predicted - 0.5) * 2, abs=1e-3)


def test_the_page_of_an_item_asks_for_no_reasons_and_ratings_that_it_does_not_show(api, popular, calls):
    before = [calls(name) for name in (contract.RECOMMEND, contract.EXPLAIN, contract.RATE)]
    assert api.get(f"/items/{popular[0]}").status_code == 200
    after = [calls(name) for name in (contract.RECOMMEND, contract.EXPLAIN, contract.RATE)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 0, 0]
