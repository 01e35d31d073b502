"""People: made, read, erased."""

from __future__ import annotations

import time
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from serving.app.errors import ConflictError, NotFoundError
from serving.app.results import Erased, Person
from serving.app.store import tables
from serving.app.store.database import Database


async def number_of(connection: AsyncConnection, person: str) -> int:
    """The person's number.

    Raises:
      NotFoundError: there is no such person.
    """
    return asked(await connection.scalar(number_query(person)), person)


def number_query(person: str | sa.BindParameter[str]) -> sa.Select[Any]:
    """Selects a person's number."""
    return sa.select(tables.people.c.number).where(tables.people.c.id == person)


def asked(number: int | None, person: str) -> int:
    """The number that `number_query` found. Raises NotFoundError where it found none."""
    if number is None:
        raise NotFoundError(f'there is no person "{person}"; POST /v1/people makes one')
    return int(number)


class People:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, person: str | None = None) -> Person:
        """A new person; an id is made up where none is given.

        Raises:
          ConflictError: there is one of that id.
        """
        made = Person(id=person or uuid.uuid4().hex, created=int(time.time()), events=0)
        try:
            async with self._database.writing() as connection:
                await connection.execute(sa.insert(tables.people).values(id=made.id, created=made.created))
        except sa.exc.IntegrityError:
            raise ConflictError("id", f'there is a person "{person}" already') from None
        return made

    async def get(self, person: str) -> Person:
        """Raises NotFoundError."""
        async with self._database.reading() as connection:
            number = await number_of(connection, person)
            created, count = (
                await connection.execute(
                    sa.select(
                        tables.people.c.created,
                        sa.select(sa.func.count())
                        .select_from(tables.events)
                        .where(tables.events.c.person == number)
                        .scalar_subquery(),
                    ).where(tables.people.c.number == number)
                )
            ).one()
        return Person(id=person, created=created, events=count)

    async def erase(self, person: str) -> Erased:
        """Deletes a person with everything; nothing of the id is left in a SQLite file.

        Raises:
          NotFoundError: there is no such person.
        """
        async with self._database.writing() as connection:
            number = await number_of(connection, person)
            counts = {}
            for table in (tables.outcomes, tables.exposures, tables.events):
                done = await connection.execute(sa.delete(table).where(table.c.person == number))
                counts[table.name] = done.rowcount
            await connection.execute(sa.delete(tables.people).where(tables.people.c.number == number))
        await self._database.scrub()
        return Erased(id=person, **counts)
