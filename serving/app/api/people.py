"""/v1/people: people and their events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response, Security
from pydantic import Field

from serving.app.api import examples
from serving.app.api.examples import answers
from serving.app.api.keys import READ, WRITE, allowed
from serving.app.api.problems import documented
from serving.app.interfaces import Used
from serving.app.results import (
    MAX_BATCH,
    MAX_PAGE,
    Erased,
    Event,
    EventId,
    NewEvent,
    Page,
    Person,
    PersonId,
    Result,
    Stored,
)

router = APIRouter(prefix="/v1/people", tags=["people and events"])
_read, _write = Security(allowed, scopes=[READ]), Security(allowed, scopes=[WRITE])
_LIKE = {"id": "e-1001", "kind": "like", "item_id": "318", "time": 1_700_000_000}
_RATING = {"id": "e-1002", "kind": "rating", "item_id": "858", "value": 4.5, "time": 1_700_000_060}


class NewPerson(Result):
    """Somebody to make; without an id one is made up."""

    id: PersonId | None = None


class Batch(Result):
    """Events to store, all or none."""

    events: list[NewEvent] = Field(min_length=1, max_length=MAX_BATCH)


@router.post(
    "",
    status_code=201,
    dependencies=[_write],
    responses=answers(201, examples.PERSON) | documented(409),
)
async def create_person(
    used: Used,
    person: Annotated[
        NewPerson, Body(openapi_examples={"own id": {"value": {"id": "ada"}}, "made up": {"value": {}}})
    ],
) -> Person:
    """Make a person."""
    return await used.people.create(person.id)


@router.get("/{person}", dependencies=[_read], responses=answers(200, examples.PERSON) | documented(404))
async def get_person(used: Used, person: PersonId) -> Person:
    """A person, and how many events are stored."""
    return await used.people.get(person)


@router.delete("/{person}", dependencies=[_write], responses=answers(200, examples.ERASED) | documented(404))
async def erase_person(used: Used, person: PersonId) -> Erased:
    """Erase a person with everything; says what was erased."""
    return await used.people.erase(person)


@router.post(
    "/{person}/events",
    status_code=201,
    dependencies=[_write],
    responses=answers(201, examples.STORED) | documented(404, 409, 503),
)
async def post_event(
    used: Used,
    person: PersonId,
    event: Annotated[
        NewEvent, Body(openapi_examples={"like": {"value": _LIKE}, "rating": {"value": _RATING}})
    ],
) -> Stored:
    """Store an event; one whose id is known is not stored again."""
    return await used.people.add(person, [event], "")


@router.post(
    "/{person}/events/batch",
    status_code=201,
    dependencies=[_write],
    responses=answers(201, examples.STORED) | documented(404, 409, 503),
)
async def post_events(
    used: Used,
    person: PersonId,
    batch: Annotated[Batch, Body(openapi_examples={"two": {"value": {"events": [_LIKE, _RATING]}}})],
) -> Stored:
    """Store up to 1,000 events, all or none."""
    return await used.people.add(person, batch.events)


@router.get(
    "/{person}/events",
    dependencies=[_read],
    responses=answers(200, examples.EVENTS) | documented(404, 503),
)
async def list_events(
    used: Used,
    person: PersonId,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
) -> Page[Event]:
    """A page of a person's events, newest first."""
    return await used.people.events(person, limit, cursor)


@router.get(
    "/{person}/events/{event}",
    dependencies=[_read],
    responses=answers(200, examples.EVENT) | documented(404, 503),
)
async def get_event(used: Used, person: PersonId, event: EventId) -> Event:
    """One event."""
    return await used.people.event(person, event)


@router.put(
    "/{person}/events/{event}",
    dependencies=[_write],
    responses=answers(200, examples.EVENT) | documented(404, 409, 503),
)
async def correct_event(
    used: Used,
    person: PersonId,
    event: EventId,
    content: Annotated[
        NewEvent,
        Body(openapi_examples={"rating": {"value": {"kind": "rating", "item_id": "858", "value": 3.0}}}),
    ],
) -> Event:
    """Correct an event: other content under the same id; its time stays where none is given."""
    return await used.people.correct(person, event, content)


@router.delete("/{person}/events/{event}", status_code=204, dependencies=[_write], responses=documented(404))
async def delete_event(used: Used, person: PersonId, event: EventId) -> Response:
    """Delete an event."""
    await used.people.delete(person, event)
    return Response(status_code=204)
