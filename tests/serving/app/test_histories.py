"""Events of a log without ratings reach the model by their weights."""

from __future__ import annotations

from serving.app.link.snapshot import Snapshot
from serving.app.results import NewEvent
from serving.app.services import histories

EVENTS = {"view": 0.25, "purchase": 1.0}


def snapshot(feedback: str) -> Snapshot:
    info = {"features": {"feedback": feedback, "event_weights": EVENTS if feedback == "implicit" else {}}}
    return Snapshot("marquee", 1, None, None, info, {})


def profile(feedback: str) -> dict[str, tuple[float, float]]:
    kinds = ("view", "purchase") if feedback == "implicit" else ("view", "like")
    events = [NewEvent(kind=kind, item_id=kind) for kind in kinds]
    found = histories.profile(events, snapshot(feedback)).history
    return {event.item_id: (event.rating, event.weight) for event in found}


def test_an_event_of_the_data_has_its_weight():
    assert histories.event_kinds(snapshot("implicit"))[-1] == "purchase"
    assert profile("implicit") == {"view": (0.0, 0.25), "purchase": (0.0, 1.0)}


def test_data_with_ratings_has_no_weights():
    assert profile("explicit") == {"view": (0.0, 0.0), "like": (5.0, 0.0)}
