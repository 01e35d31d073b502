"""Recommendations: for a person with events, or for a history that the request brings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence

import contract
from serving.app.catalogue import filters
from serving.app.edge import metrics
from serving.app.errors import BadRequestError
from serving.app.link.calls import Calls, ModelGoneError, VersionGoneError
from serving.app.link.snapshot import Snapshot
from serving.app.link.versions import Versions
from serving.app.results import NewEvent, Reason, Recommendations, Recommended, Source, Wishes
from serving.app.services import fallback, histories
from serving.app.services.experiments import Assignment, Experiments
from serving.app.services.fallback import LastLists
from serving.app.services.histories import Profile
from serving.app.store.events import Events
from serving.client import Code, ServingError
from serving.client.results import Explanations, Ratings


class RecommendationService:
    """Asks the model; where it does not answer, says so and answers what it can.

    Args:
      timeout_s: for an answer of the model, all its calls together.
    """

    def __init__(
        self,
        calls: Calls,
        versions: Versions,
        events: Events,
        experiments: Experiments,
        timeout_s: float,
    ) -> None:
        self._calls = calls
        self._versions = versions
        self._events = events
        self._experiments = experiments
        self._timeout_s = timeout_s
        self.last_lists = LastLists()

    async def for_person(self, person: str, wishes: Wishes) -> Recommendations:
        """A list for a person with events; nothing that they have seen or hidden is in it.

        Raises:
          NotFoundError: there is no such person.
          BadRequestError: a wish that cannot be.
          NotReadyError: no version has been seen yet.
        """
        events = await self._events.history(person, histories.MAX_READ)
        assigned = self._experiments.assign(person)
        answer = await self._answer(events, wishes, assigned, person)
        await self._experiments.expose(assigned, person, answer)
        metrics.SHOWN.labels(str(answer.version)).inc(len(answer.items))
        return answer

    async def for_history(self, history: Sequence[NewEvent], wishes: Wishes) -> Recommendations:
        """A list for who has no profile.

        Args:
          history: oldest first.

        Raises:
          BadRequestError, NotReadyError: as `for_person`.
        """
        return await self._answer(history, wishes, None, "")

    async def _answer(
        self, events: Sequence[histories.AnyEvent], wishes: Wishes, assigned: Assignment | None, person: str
    ) -> Recommendations:
        label = assigned.label if assigned else None
        snapshot = self._versions.current(label)
        profile = _checked(events, wishes, snapshot, bool(person))
        deadline = time.monotonic() + self._timeout_s
        try:
            try:
                items, note = await self._asked(snapshot, profile, wishes, deadline)
            except VersionGoneError:
                # A new version has taken over since the last look.
                await self._versions.look()
                snapshot = self._versions.current(label)
                profile = _checked(events, wishes, snapshot, bool(person))
                items, note = await self._asked(snapshot, profile, wishes, deadline)
        except (ModelGoneError, VersionGoneError) as gone:
            reason = str(gone) or "the model server is changing versions"
            return self._fallen_back(snapshot, profile, wishes, person, assigned, reason)
        if person:
            self.last_lists.keep(person, snapshot.version, wishes, items)
        return _result(snapshot, items, "model", note, assigned)

    def _fallen_back(
        self,
        snapshot: Snapshot,
        profile: Profile,
        wishes: Wishes,
        person: str,
        assigned: Assignment | None,
        reason: str,
    ) -> Recommendations:
        excluded = profile.seen | set(wishes.exclude)
        cached = self.last_lists.get(person, snapshot, wishes, excluded) if person else None
        if cached is not None:
            return _result(snapshot, cached, "cached", reason, assigned)
        return _result(snapshot, fallback.popular(snapshot, wishes, excluded), "popular", reason, assigned)

    async def _asked(
        self, snapshot: Snapshot, profile: Profile, wishes: Wishes, deadline: float
    ) -> tuple[list[Recommended], str | None]:
        """The model's list, all of the snapshot's version, and what is missing from it."""
        excluded = dict.fromkeys((*wishes.exclude, *profile.older))
        known = [item for item in excluded if snapshot.catalogue.row(item) is not None]
        most = snapshot.limit("max_exclude")
        # More than the model takes are taken out here, out of a longer list.
        over = len(known) - most
        k = wishes.k if over <= 0 else min(wishes.k + over, snapshot.limit("max_k"))
        try:
            ranking = await self._calls.run(
                contract.RECOMMEND,
                lambda client: client.recommend(
                    profile.history,
                    k,
                    exclude=known[:most],
                    genres=wishes.genres,
                    tastes=wishes.tastes,
                    year_min=wishes.year_min or 0,
                    year_max=wishes.year_max or 0,
                    diversity=wishes.diversity,
                    where=wishes.where,
                    candidates=wishes.candidates,
                    boosts=wishes.boosts,
                    at_most=wishes.at_most,
                    **self._calls.options(snapshot.version, deadline - time.monotonic()),
                ),
            )
        except ServingError as error:
            if error.code is Code.INVALID_ARGUMENT:
                raise BadRequestError("", f"the model refused: {error.message}") from error
            raise
        hidden = profile.seen | set(wishes.exclude)
        scored = [(item.item_id, item.score) for item in ranking if item.item_id not in hidden]
        scored = [(id_, score) for id_, score in scored if snapshot.catalogue.row(id_) is not None]
        return await self._described(snapshot, profile, wishes, scored[: wishes.k], deadline)

    async def _described(
        self,
        snapshot: Snapshot,
        profile: Profile,
        wishes: Wishes,
        scored: Sequence[tuple[str, float]],
        deadline: float,
    ) -> tuple[list[Recommended], str | None]:
        """Adds titles, predicted ratings and reasons; a list without the last two is still a list."""
        ids = [id_ for id_, _ in scored]
        note = None
        stars: Sequence[float | None] = [None] * len(ids)
        reasons: Sequence[Sequence[Reason]] = [()] * len(ids)
        rated: Ratings | BaseException | None = None
        explained: Explanations | BaseException | None = None
        # Tasks cost more than they bring where neither is wanted.
        if wishes.ratings or wishes.explain:
            rated, explained = await asyncio.gather(
                self._rated(snapshot, profile, ids, wishes, deadline),
                self._explained(snapshot, profile, ids, wishes, deadline),
                return_exceptions=True,
            )
        for failed in (rated, explained):
            if isinstance(failed, ModelGoneError):
                note = f"predicted ratings or reasons are missing: {failed}"
            elif isinstance(failed, BaseException):
                raise failed
        if isinstance(rated, Ratings):
            assert snapshot.scale is not None, "only a model of ratings is asked for them"
            stars = [None if one is None else snapshot.scale.rating(one) for one in rated.stars]
        if isinstance(explained, Explanations):
            title = snapshot.catalogue.title
            reasons = [
                [Reason(item_id=one.item_id, title=title(one.item_id), weight=one.weight) for one in row]
                for row in explained.reasons
            ]
        items = []
        for (id_, score), predicted, why in zip(scored, stars, reasons, strict=True):
            row = snapshot.catalogue.row(id_)
            assert row is not None, "unknown items were taken out"
            fields = snapshot.catalogue.fields(row)
            # Not validated: it is the application's own, and there are many.
            items.append(
                Recommended.model_construct(
                    **fields, score=score, predicted_rating=predicted, reasons=list(why)
                )
            )
        return items, note

    async def _rated(
        self, snapshot: Snapshot, profile: Profile, ids: Sequence[str], wishes: Wishes, deadline: float
    ) -> Ratings | None:
        if not (wishes.ratings and snapshot.rates and ids and profile.history):
            return None
        return await self._calls.run(
            contract.RATE,
            lambda client: client.rate(
                profile.history, ids, **self._calls.options(snapshot.version, deadline - time.monotonic())
            ),
        )

    async def _explained(
        self, snapshot: Snapshot, profile: Profile, ids: Sequence[str], wishes: Wishes, deadline: float
    ) -> Explanations | None:
        if not (wishes.explain and ids and profile.history):
            return None
        return await self._calls.run(
            contract.EXPLAIN,
            lambda client: client.explain(
                profile.history,
                ids,
                tastes=wishes.tastes,
                **self._calls.options(snapshot.version, deadline - time.monotonic()),
            ),
        )


def _checked(
    events: Sequence[histories.AnyEvent], wishes: Wishes, snapshot: Snapshot, stored: bool
) -> Profile:
    """The profile; wishes are checked against what this version has."""
    filters.check(snapshot.catalogue, snapshot.limits, wishes)
    if not stored:
        histories.check([event for event in events if isinstance(event, NewEvent)], snapshot, "history")
    return histories.profile(events, snapshot)


def _result(
    snapshot: Snapshot,
    items: Collection[Recommended],
    source: Source,
    reason: str | None,
    assigned: Assignment | None,
) -> Recommendations:
    metrics.ANSWERS.labels(source, str(snapshot.version)).inc()
    return Recommendations(
        items=list(items),
        source=source,
        reason=reason,
        model=snapshot.model,
        version=snapshot.version,
        experiment=assigned.experiment if assigned else None,
        variant=assigned.variant if assigned else None,
    )
