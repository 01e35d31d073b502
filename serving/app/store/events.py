"""Events: stored once each, read by person and time, corrected, deleted."""

from __future__ import annotations

import dataclasses
import itertools
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from serving.app.errors import ConflictError, NotFoundError
from serving.app.results import Event, NewEvent, Page, Stored
from serving.app.store import cursors, experiments, people, tables
from serving.app.store.database import Database

_COLUMNS = tables.events.c
_SHOWN = (_COLUMNS.id, _COLUMNS.kind, _COLUMNS.item_id, _COLUMNS.value, _COLUMNS.time)
# Of a post that meets another of the same ids in PostgreSQL.
_TRIES = 3
# Ids in one question: below SQLite's bound on variables.
_ASKED = 500
# Events that are read within the event loop: three milliseconds. A thread would take longer, and would hold
# the interpreter's lock for as long, against all others. Who has more waits for one.
_FEW = 5000
_NUMBER = people.number_query(sa.bindparam("person"))
_HISTORY = (
    sa.select(*_SHOWN)
    .where(_COLUMNS.person == _NUMBER.scalar_subquery())
    .order_by(_COLUMNS.time.desc(), _COLUMNS.number.desc())
    .limit(sa.bindparam("limit"))
)


@dataclasses.dataclass(frozen=True)
class Added:
    """What a post came to.

    Attributes:
      stored: for the caller.
      rows: the new rows.
    """

    stored: Stored
    rows: Sequence[Mapping[str, Any]]


class Said(NamedTuple):
    """A stored event as a request reads thousands of: the fields of `Event`, checked when it was stored."""

    id: str
    kind: str
    item_id: str
    value: float | None
    time: int

    def event(self, title: str | None) -> Event:
        return Event.model_construct(
            id=self.id, kind=self.kind, item_id=self.item_id, value=self.value, time=self.time, title=title
        )


class Events:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, person: str, given: Sequence[NewEvent], experiment: str | None = None) -> Added:
        """Stores events, all or none; one that is known by its id is not stored again.

        Args:
          experiment: id of the running one; its outcomes are stored with the events, or neither is.

        Raises:
          NotFoundError: there is no such person.
          ConflictError: an id is known with other content.
        """
        now = int(time.time())
        rows: dict[str, dict[str, Any]] = {}
        ids = []
        for place, event in enumerate(given):
            row = event.model_dump() | {"id": event.id or uuid.uuid4().hex}
            ids.append(row["id"])
            if _differs(rows.setdefault(row["id"], row), row):
                raise ConflictError(
                    f"events.{place}.id", f'"{row["id"]}" stands twice in the batch and differs'
                )
        for attempt in range(_TRIES):
            try:
                new = await self._insert(person, rows, ids, now, experiment)
                break
            except sa.exc.IntegrityError:
                # Another post of the same ids was faster: it is found the next time.
                if attempt + 1 == _TRIES:
                    raise
        return Added(Stored(created=len(new), repeated=len(ids) - len(new), ids=ids), new)

    async def _insert(
        self,
        person: str,
        rows: Mapping[str, Mapping[str, Any]],
        ids: Sequence[str],
        now: int,
        experiment: str | None,
    ) -> list[dict[str, Any]]:
        """The rows that were not known."""
        async with self._database.writing() as connection:
            number = await people.number_of(connection, person)
            known = await self._known(connection, number, list(rows))
            for place, id_ in enumerate(ids):
                if id_ in known and _differs(known[id_], rows[id_]):
                    raise ConflictError(
                        f"events.{place}.id",
                        f'event "{id_}" is stored with other content; correct it, or take a new id',
                    )
            new = [
                {**row, "person": number, "time": _time(row, now)}
                for row in rows.values()
                if row["id"] not in known
            ]
            if new:
                await connection.execute(sa.insert(tables.events), new)
                if experiment is not None:
                    await experiments.insert_outcomes(connection, experiment, number, new)
        return new

    async def history(self, person: str, limit: int) -> list[Said]:
        """The person's newest events, oldest first.

        Raises:
          NotFoundError: there is no such person.
        """
        rows = await self._database.few(_HISTORY, person=person, limit=min(limit, _FEW))
        if len(rows) == _FEW < limit:
            values = {"person": person, "limit": limit}
            rows = await self._database.read(lambda connection: connection.execute(_HISTORY, values).all())
        elif not rows:
            people.asked(next(iter(await self._database.few(_NUMBER, person=person)), (None,))[0], person)
        return list(itertools.starmap(Said, reversed(rows)))

    async def page(self, person: str, limit: int, cursor: str | None) -> Page[Event]:
        """A page of the person's events, newest first.

        Raises:
          NotFoundError: there is no such person.
          BadRequestError: the cursor is not of this list.
        """
        async with self._database.reading() as connection:
            number = await people.number_of(connection, person)
            query = sa.select(*_SHOWN, _COLUMNS.number).where(_COLUMNS.person == number)
            if cursor:
                at, row_number = cursors.read(cursor, int, int)
                query = query.where(sa.tuple_(_COLUMNS.time, _COLUMNS.number) < sa.tuple_(at, row_number))
            query = query.order_by(_COLUMNS.time.desc(), _COLUMNS.number.desc()).limit(limit + 1)
            rows = (await connection.execute(query)).all()
        more = len(rows) > limit
        rows = rows[:limit]
        return Page(
            items=[_event(row) for row in rows],
            next=cursors.write(rows[-1].time, rows[-1].number) if more else None,
        )

    async def get(self, person: str, event: str) -> Event:
        """Raises NotFoundError."""
        async with self._database.reading() as connection:
            number = await people.number_of(connection, person)
            row = (await connection.execute(sa.select(*_SHOWN).where(*_which(number, event)))).one_or_none()
        if row is None:
            raise NotFoundError(f'the person has no event "{event}"')
        return _event(row)

    async def correct(self, person: str, event: str, content: NewEvent) -> Event:
        """Gives a stored event other content; its time stays where none is given.

        What an experiment counted of it follows: the outcome has the new kind, and there is none where the
        event is now of another item than the one shown.

        Raises:
          NotFoundError: there is no such person or event.
        """
        values = content.model_dump(exclude={"id"} | ({"time"} if content.time is None else set()))
        async with self._database.writing() as connection:
            number = await people.number_of(connection, person)
            where = _which(number, event)
            before = await connection.scalar(sa.select(_COLUMNS.item_id).where(*where))
            if before is None:
                raise NotFoundError(f'the person has no event "{event}"')
            await connection.execute(sa.update(tables.events).where(*where).values(values))
            row = (await connection.execute(sa.select(*_SHOWN).where(*where))).one()
            counted = _outcomes_of(number, event)
            if before == row.item_id:
                said = {"kind": row.kind, "time": row.time}
                await connection.execute(sa.update(tables.outcomes).where(*counted).values(said))
            else:
                await connection.execute(sa.delete(tables.outcomes).where(*counted))
        return _event(row)

    async def delete(self, person: str, event: str) -> None:
        """Deletes an event, and what an experiment counted of it.

        Raises:
          NotFoundError: there is no such person or event.
        """
        async with self._database.writing() as connection:
            number = await people.number_of(connection, person)
            done = await connection.execute(sa.delete(tables.events).where(*_which(number, event)))
            await connection.execute(sa.delete(tables.outcomes).where(*_outcomes_of(number, event)))
        if not done.rowcount:
            raise NotFoundError(f'the person has no event "{event}"')

    @staticmethod
    async def _known(connection: AsyncConnection, number: int, ids: list[str]) -> dict[str, dict[str, Any]]:
        known: dict[str, dict[str, Any]] = {}
        for at in range(0, len(ids), _ASKED):
            query = sa.select(*_SHOWN).where(
                _COLUMNS.person == number, _COLUMNS.id.in_(ids[at : at + _ASKED])
            )
            rows = (await connection.execute(query)).mappings()
            known |= {row["id"]: dict(row) for row in rows}
        return known


def _which(number: int, event: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _COLUMNS.person == number, _COLUMNS.id == event


def _outcomes_of(number: int, event: str) -> tuple[sa.ColumnElement[bool], ...]:
    return tables.outcomes.c.person == number, tables.outcomes.c.event_id == event


def _time(row: Mapping[str, Any], now: int) -> int:
    return now if row["time"] is None else int(row["time"])


def _differs(stored: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether content differs; a time that was left out is any time."""
    return any(
        stored[name] != given[name]
        for name in ("kind", "item_id", "value", "time")
        if given[name] is not None
    ) or (given["value"] is None and stored["value"] is not None)


def _event(row: Any) -> Event:
    return Event(id=row.id, kind=row.kind, item_id=row.item_id, value=row.value, time=row.time)
