"""Users of the training data, as far as the version carries some: what the model has learnt of them."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Final

import contract
from serving.app.errors import NotFoundError
from serving.app.link.calls import Calls, ModelGoneError, VersionGoneError
from serving.app.link.carried import KnownEvent, KnownUser
from serving.app.link.snapshot import Snapshot
from serving.app.link.versions import Versions
from serving.app.results import Item, NewEvent, Recommendations, Wishes
from serving.app.services.recommendations import RecommendationService

# Values of the taste column that stand for a list of items.
_TASTES: Final = 3


@dataclasses.dataclass(frozen=True)
class Summary:
    """A user in a line.

    Attributes:
      events: in the history.
      held_out: events that the model has not seen.
      rating: the history's mean, on the data's own scale; None for data without ratings.
      tastes: values of the taste column that most of the history has, most frequent first.
    """

    id: str
    events: int
    held_out: int
    rating: float | None
    tastes: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Shown:
    """An event with its item.

    Attributes:
      item_id: the item's.
      rating: on the data's own scale; None for data without ratings.
      item: None for one that the version does not know.
      predicted: the rating that the model expects, on the same scale; None where it does not say.
      place: in the recommendations, from 1; None for an item that is not among them.
    """

    item_id: str
    rating: float | None
    item: Item | None
    predicted: float | None = None
    place: int | None = None


@dataclasses.dataclass(frozen=True)
class Look:
    """A user to look at.

    Attributes:
      error: mean distance of the held-out ratings from those that the model expects; None without these.
      tastes: values of the taste column that most of the recommendations have.
      history: newest first.
      held_out: what the model has not seen, with the rating it expects from the history.
      answer: recommendations from the history.
    """

    summary: Summary
    history: Sequence[Shown]
    held_out: Sequence[Shown]
    answer: Recommendations
    error: float | None
    tastes: Sequence[str]


class KnownUserService:
    """Args: as those of `ItemService`."""

    def __init__(
        self, calls: Calls, versions: Versions, recommendations: RecommendationService, timeout_s: float
    ) -> None:
        self._calls = calls
        self._versions = versions
        self._recommendations = recommendations
        self._timeout_s = timeout_s
        self._summed: tuple[tuple[str, int], list[Summary]] | None = None

    async def all(self) -> Sequence[Summary]:
        """Of every user; worked out once for a version, beside the event loop."""
        snapshot = self._versions.current()
        which = snapshot.model, snapshot.version
        if self._summed is None or self._summed[0] != which:
            users = snapshot.carried.users.values()
            found = await asyncio.to_thread(lambda: [_summary(snapshot, user) for user in users])
            self._summed = which, found
        return self._summed[1]

    def around(self, user: str) -> tuple[str, str]:
        """Whom the version carries before and after a user, in a ring. Raises NotFoundError as `look`."""
        ids = list(self._versions.current().carried.users)
        if user not in ids:
            raise self._unknown(user)
        at = ids.index(user)
        return ids[at - 1], ids[(at + 1) % len(ids)]

    def _unknown(self, user: str) -> NotFoundError:
        version = self._versions.current().version
        return NotFoundError(f'version {version} carries no user "{user}" to look at')

    async def look(self, user: str, k: int) -> Look:
        """Raises NotFoundError for a user whom the version does not carry."""
        snapshot = self._versions.current()
        known = snapshot.carried.users.get(user)
        if known is None:
            raise self._unknown(user)
        kind = "rating" if snapshot.explicit else "like"
        scale, rows = snapshot.scale, snapshot.catalogue
        history = [
            NewEvent(
                kind=kind,
                item_id=event.item_id,
                value=scale.rating(event.rating) if scale else None,
                time=event.time,
            )
            for event in known.history
        ]
        # The page shows no reasons.
        wishes = Wishes(k=k, explain=False)
        answer = await self._recommendations.for_history(history, wishes)
        predicted = await self._predicted(snapshot, known) if snapshot.rates else [None] * len(known.held_out)

        places = {item.id: place for place, item in enumerate(answer.items, 1)}

        def shown(event: KnownEvent, stars: float | None = None) -> Shown:
            row = rows.row(event.item_id)
            return Shown(
                event.item_id,
                scale.rating(event.rating) if scale else None,
                None if row is None else rows.item(row),
                scale.rating(stars) if scale and stars is not None else None,
                places.get(event.item_id),
            )

        held_out = [shown(event, stars) for event, stars in zip(known.held_out, predicted, strict=True)]
        errors = [
            abs(one.predicted - one.rating)
            for one in held_out
            if one.predicted is not None and one.rating is not None
        ]
        return Look(
            _summary(snapshot, known),
            [shown(event) for event in reversed(known.history)],
            held_out,
            answer,
            sum(errors) / len(errors) if errors else None,
            _tastes(snapshot, (item.id for item in answer.items)),
        )

    async def _predicted(self, snapshot: Snapshot, known: KnownUser) -> Sequence[float | None]:
        """Stars expected from the history; none while the model does not answer."""
        ids = [event.item_id for event in known.held_out]
        history = [
            (event.item_id, event.rating, event.time)
            for event in known.history[-snapshot.limit("max_history") :]
        ]
        try:
            ratings = await self._calls.run(
                contract.RATE,
                lambda client: client.rate(
                    history, ids, **self._calls.options(snapshot.version, self._timeout_s)
                ),
            )
        except (ModelGoneError, VersionGoneError):
            return [None] * len(ids)
        return ratings.stars


def _summary(snapshot: Snapshot, user: KnownUser) -> Summary:
    ratings = [snapshot.scale.rating(event.rating) for event in user.history] if snapshot.scale else []
    return Summary(
        user.id,
        len(user.history),
        len(user.held_out),
        sum(ratings) / len(ratings) if ratings else None,
        _tastes(snapshot, (event.item_id for event in user.history)),
    )


def _tastes(snapshot: Snapshot, items: Iterable[str]) -> list[str]:
    rows, column = snapshot.catalogue, snapshot.taste_column
    if column is None:
        return []
    known = (row for item in items if (row := rows.row(item)) is not None)
    counts = collections.Counter(value for row in known for value in rows.values_of(column, row))
    return [value for value, _ in counts.most_common(_TASTES)]
