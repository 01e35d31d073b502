"""People and what they did."""

from __future__ import annotations

from collections.abc import Sequence

from serving.app.edge import metrics
from serving.app.errors import NotFoundError
from serving.app.link.snapshot import Snapshot
from serving.app.link.versions import Versions
from serving.app.results import Erased, Event, NewEvent, Page, Person, Stored
from serving.app.services import histories
from serving.app.services.experiments import Experiments
from serving.app.services.recommendations import RecommendationService
from serving.app.store.events import Events
from serving.app.store.people import People


class PeopleService:
    """Makes, reads and erases people; stores, corrects and deletes their events.

    Every method raises NotFoundError for a person who is not there, and BadRequestError for what cannot be.
    """

    def __init__(
        self,
        people: People,
        events: Events,
        versions: Versions,
        experiments: Experiments,
        recommendations: RecommendationService,
    ) -> None:
        self._people = people
        self._events = events
        self._versions = versions
        self._experiments = experiments
        self._recommendations = recommendations

    async def create(self, person: str | None = None) -> Person:
        """A new person; the id is made up where none is given. Raises ConflictError for a known id."""
        return await self._people.create(person)

    async def get(self, person: str) -> Person:
        return await self._people.get(person)

    async def get_or_create(self, person: str) -> Person:
        """For a page whose cookie names a person."""
        try:
            return await self._people.get(person)
        except NotFoundError:
            return await self._people.create(person)

    async def erase(self, person: str) -> Erased:
        """Deletes the person, the events and what experiments stored of both; says how many."""
        erased = await self._people.erase(person)
        self._recommendations.last_lists.forget(person)
        return erased

    async def add(self, person: str, events: Sequence[NewEvent], where: str = "events") -> Stored:
        """Stores events, all or none; one that is known by its id is not stored again.

        Args:
          where: the field's name in errors.
        """
        snapshot = self._experiments.snapshot(person)
        histories.check(events, snapshot, where)
        running = self._experiments.running
        added = await self._events.add(person, events, running.id if running else None)
        for row in added.rows:
            metrics.EVENTS.labels(row["kind"], str(snapshot.version)).inc()
        return added.stored

    async def history(self, person: str) -> list[Event]:
        """The person's newest events, oldest first, with titles."""
        snapshot = self._versions.current()
        said = await self._events.history(person, histories.MAX_READ)
        title, row = snapshot.catalogue.titles, snapshot.catalogue.row
        return [one.event(None if (at := row(one.item_id)) is None else title[at]) for one in said]

    async def events(self, person: str, limit: int, cursor: str | None = None) -> Page[Event]:
        """A page of the person's events, newest first, with titles."""
        snapshot = self._versions.current()
        page = await self._events.page(person, limit, cursor)
        return Page(items=[_titled(event, snapshot) for event in page.items], next=page.next)

    async def event(self, person: str, event: str) -> Event:
        return _titled(await self._events.get(person, event), self._versions.current())

    async def correct(self, person: str, event: str, content: NewEvent) -> Event:
        """Gives an event other content under its id."""
        snapshot = self._experiments.snapshot(person)
        histories.check([content], snapshot, "")
        return _titled(await self._events.correct(person, event, content), snapshot)

    async def delete(self, person: str, event: str) -> None:
        """Deletes one event: undo."""
        await self._events.delete(person, event)


def _titled(event: Event, snapshot: Snapshot) -> Event:
    row = snapshot.catalogue.row(event.item_id)
    return event if row is None else event.model_copy(update={"title": snapshot.catalogue.titles[row]})
