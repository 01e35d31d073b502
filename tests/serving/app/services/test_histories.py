"""What a person's events are to the model, by the data's scale and kinds of events."""

from __future__ import annotations

import dataclasses

import pytest
from support.models.descriptions import DESCRIPTION

from serving.app.errors import BadRequestError
from serving.app.link.snapshot import Snapshot
from serving.app.results import NewEvent
from serving.app.services import histories
from serving.client import Event as HistoryEvent


def snapshot(**described) -> Snapshot:
    """Of which only the model's description counts here."""
    description = dataclasses.replace(DESCRIPTION, limits={"max_history": 3}, **described)
    return Snapshot("marquee", 1, None, None, description, {})  # type: ignore[arg-type]


def event(kind: str, item: str, value: float | None = None) -> NewEvent:
    return NewEvent(kind=kind, item_id=item, value=value, time=7)


def test_the_last_word_on_an_item_counts_and_a_view_says_nothing_against_it():
    events = [event("like", "a"), event("view", "b"), event("rating", "a", 2.0), event("view", "a")]
    found = histories.profile(events, snapshot())
    assert found.history == (HistoryEvent("b", 0.0, 7), HistoryEvent("a", 2.0, 7))
    assert found.seen == {"a", "b"} and found.older == ()


def test_hidden_and_older_items_are_seen_but_in_no_history():
    events = [event("hide", "h"), *(event("like", item) for item in "abcd")]
    found = histories.profile(events, snapshot())
    assert [one.item_id for one in found.history] == ["b", "c", "d"]
    assert found.seen == set("habcd") and set(found.older) == {"a", "h"}


def test_ratings_are_mapped_from_the_scale_of_the_data_and_back():
    data = snapshot(data_rating_scale=(1.0, 10.0))
    events = [event("rating", "a", 10.0), event("rating", "b", 1.0), event("like", "c")]
    assert [one.rating for one in histories.profile(events, data).history] == [5.0, 0.5, 5.0]
    assert data.scale is not None and data.scale.step == 1.0
    assert [data.scale.rating(stars) for stars in (0.5, 5.0)] == [1.0, 10.0]
    histories.check(events, data, "")
    with pytest.raises(BadRequestError, match="from 1 to 10, got 11"):
        histories.check([event("rating", "a", 11.0)], data, "")


def test_events_of_data_without_ratings_have_weights_and_a_dislike_is_left_out():
    data = snapshot(feedback="implicit", data_rating_scale=None, event_weights={"click": 0.1, "buy": 1.0})
    events = [event("click", "a"), event("buy", "b"), event("like", "c"), event("dislike", "d")]
    histories.check(events, data, "")
    found = histories.profile(events, data)
    assert [(one.item_id, one.rating, one.weight) for one in found.history] == [
        ("a", 0.0, 0.1), ("b", 0.0, 1.0), ("c", 0.0, 0.0),
    ]  # fmt: skip
    assert found.older == ("d",) and data.scale is None
    with pytest.raises(
        BadRequestError, match='no event kind "rating"; there are like, dislike, view, hide, click, buy'
    ):
        histories.check([event("rating", "a", 4.0)], data, "")
