"""Users of the training data, as far as the version carries some: what the model has learnt of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import contract
from serving.app.errors import NotFoundError
from serving.app.link.calls import Calls, ModelGoneError, VersionGoneError
from serving.app.link.carried import KnownEvent, KnownUser
from serving.app.link.snapshot import Snapshot
from serving.app.link.versions import Versions
from serving.app.results import Item, NewEvent, Recommendations, Wishes
from serving.app.services.recommendations import RecommendationService


@dataclasses.dataclass(frozen=True)
class Shown:
    """An event with its item.

    Attributes:
      item_id: the item's.
      rating: on the data's own scale; None for data without ratings.
      item: None for one that the version does not know.
      predicted: the rating that the model expects, on the same scale; None where it does not say.
    """

    item_id: str
    rating: float | None
    item: Item | None
    predicted: float | None = None


@dataclasses.dataclass(frozen=True)
class Look:
    """A user to look at.

    Attributes:
      history: newest first.
      held_out: what the model has not seen, with the rating it expects from the history.
      answer: recommendations from the history.
    """

    id: str
    history: Sequence[Shown]
    held_out: Sequence[Shown]
    answer: Recommendations


class KnownUserService:
    """Args: as those of `ItemService`."""

    def __init__(
        self, calls: Calls, versions: Versions, recommendations: RecommendationService, timeout_s: float
    ) -> None:
        self._calls = calls
        self._versions = versions
        self._recommendations = recommendations
        self._timeout_s = timeout_s

    def all(self) -> Sequence[KnownUser]:
        return tuple(self._versions.current().carried.users.values())

    async def look(self, user: str, k: int) -> Look:
        """Raises NotFoundError for a user whom the version does not carry."""
        snapshot = self._versions.current()
        known = snapshot.carried.users.get(user)
        if known is None:
            raise NotFoundError(f'version {snapshot.version} carries no user "{user}" to look at')
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
        # The page shows titles alone of this list.
        wishes = Wishes(k=k, explain=False, ratings=False)
        answer = await self._recommendations.for_history(history, wishes)
        predicted = await self._predicted(snapshot, known) if snapshot.rates else [None] * len(known.held_out)

        def shown(event: KnownEvent, stars: float | None = None) -> Shown:
            row = rows.row(event.item_id)
            return Shown(
                event.item_id,
                scale.rating(event.rating) if scale else None,
                None if row is None else rows.item(row),
                scale.rating(stars) if scale and stars is not None else None,
            )

        return Look(
            user,
            [shown(event) for event in reversed(known.history)],
            [shown(event, stars) for event, stars in zip(known.held_out, predicted, strict=True)],
            answer,
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
