"""A person's events as the history that the model reads, and as what must not come back."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence

from serving.app.errors import BadRequestError
from serving.app.link.snapshot import Snapshot
from serving.app.results import BUILT_IN_KINDS, STARS, NewEvent
from serving.app.store.events import Said
from serving.client import Event as HistoryEvent

AnyEvent = Said | NewEvent
# Newest events of a person that a request reads.
MAX_READ = 20_000
# 0 = stars or weight unknown, as the contract has it.
_UNKNOWN = 0.0


@dataclasses.dataclass(frozen=True)
class Profile:
    """What a person's events say.

    Attributes:
      history: one event an item, oldest first, at most the model's max_history.
      seen: items that must not come back: every item of any event.
      older: those of `seen` that are not in the history (hidden ones among them).
    """

    history: tuple[HistoryEvent, ...] = ()
    seen: frozenset[str] = frozenset()
    older: tuple[str, ...] = ()


def profile(events: Iterable[AnyEvent], snapshot: Snapshot) -> Profile:
    """The profile of events, oldest first.

    The last word on an item counts; a view says nothing against an earlier rating. Hidden items are in
    no history. In data without ratings an event is a fact: a dislike is then left out like a hidden item.
    """
    last: dict[str, AnyEvent] = {}
    seen: dict[str, None] = {}
    for event in events:
        seen[event.item_id] = None
        before = last.get(event.item_id)
        if before is not None and event.kind == "view" and before.kind != "view":
            continue
        # Taken out first: an item stands where its last word stands.
        last.pop(event.item_id, None)
        last[event.item_id] = event
    left_out = ("hide",) if snapshot.explicit else ("hide", "dislike")
    told = [event for event in last.values() if event.kind not in left_out]
    history = _history(told[-snapshot.limit("max_history") :], snapshot)
    kept = {event.item_id for event in history}
    return Profile(history, frozenset(seen), tuple(item for item in reversed(seen) if item not in kept))


def check(events: Sequence[NewEvent], snapshot: Snapshot, where: str) -> None:
    """Raises BadRequestError for an event that the data can make nothing of."""
    kinds = event_kinds(snapshot)
    for place, event in enumerate(events):
        field = f"{where}.{place}" if where else ""
        if event.kind not in kinds:
            raise BadRequestError(
                _joined(field, "kind"), f'there is no event kind "{event.kind}"; there are {", ".join(kinds)}'
            )
        scale = snapshot.scale
        if event.kind == "rating":
            if scale is None or event.value is None or not scale.low <= event.value <= scale.high:
                bounds = f" from {scale.low:g} to {scale.high:g}" if scale else ""
                got = "none" if event.value is None else f"{event.value:g}"
                raise BadRequestError(_joined(field, "value"), f"a rating has a value{bounds}, got {got}")
        elif event.value is not None:
            raise BadRequestError(
                _joined(field, "value"), f"only a rating has a value; this is a {event.kind}"
            )


def event_kinds(snapshot: Snapshot) -> list[str]:
    """Kinds that may be posted: the built-in ones, and the event names of the data."""
    built_in = [kind for kind in BUILT_IN_KINDS if kind != "rating" or snapshot.explicit]
    return [*built_in, *(name for name in snapshot.event_weights if name not in BUILT_IN_KINDS)]


def _joined(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def _history(events: Sequence[AnyEvent], snapshot: Snapshot) -> tuple[HistoryEvent, ...]:
    """Events as the model reads them. Hundreds for a list: what is the same for all is looked up once."""
    scale = snapshot.scale
    if scale is None:
        weight = snapshot.event_weights.get
        return tuple(
            HistoryEvent(event.item_id, timestamp=event.time or 0, weight=weight(event.kind, _UNKNOWN))
            for event in events
        )
    stars = functools.cache(scale.stars)  # people give few different ratings
    return tuple(
        HistoryEvent(
            event.item_id,
            stars(event.value)
            if event.kind == "rating" and event.value is not None
            else STARS.get(event.kind, _UNKNOWN),
            event.time or 0,
        )
        for event in events
    )
