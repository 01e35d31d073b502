"""Users of the training data on the data's own scale, and no request more than the page shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from prometheus_client import REGISTRY

import contract
from serving.app.errors import NotFoundError
from serving.app.link.versions import Versions


@pytest.fixture
def calls():
    """How often a signature has been asked so far."""
    return lambda name: REGISTRY.get_sample_value("marquee_app_model_seconds_count", {"call": name}) or 0.0


def test_ratings_are_on_the_scale_of_the_data(api, monkeypatch, calls):
    services = api.app.state.services
    user = api.portal.call(services.known_users.all)[0].id
    before = calls(contract.EXPLAIN)
    plain = api.portal.call(services.known_users.look, user, 5)
    assert plain.answer.source == "model" and plain.held_out and plain.held_out[0].predicted is not None
    assert calls(contract.EXPLAIN) == before
    # What the page says of the list is what is in it.
    everybody = api.portal.call(services.known_users.all)
    assert plain.summary == next(one for one in everybody if one.id == user)
    assert api.portal.call(services.known_users.all) is everybody, "worked out once for a version"
    assert (plain.summary.events, plain.summary.held_out) == (len(plain.history), len(plain.held_out))
    assert plain.summary.rating == pytest.approx(np.mean([one.rating for one in plain.history]))
    listed = [item.id for item in plain.answer.items]
    for one in plain.held_out:
        assert one.place == (listed.index(one.item_id) + 1 if one.item_id in listed else None)
    assert plain.error == pytest.approx(np.mean([abs(one.rating - one.predicted) for one in plain.held_out]))
    assert 1 <= len(plain.summary.tastes) <= 3 and 1 <= len(plain.tastes) <= 3
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


def test_users_stand_in_a_ring_and_unknown_ones_are_named(api):
    known = api.app.state.services.known_users
    ids = [one.id for one in api.portal.call(known.all)]
    assert known.around(ids[0]) == (ids[-1], ids[1])
    assert known.around(ids[-1]) == (ids[-2], ids[0])
    with pytest.raises(NotFoundError, match='no user "nobody"'):
        known.around("nobody")
