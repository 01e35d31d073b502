"""Recommendations for people, and for a history that the request brings."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response, Security
from pydantic import Field

from serving.app.api.examples import FALLEN_BACK, RECOMMENDED, answers
from serving.app.api.keys import READ, allowed
from serving.app.api.problems import documented
from serving.app.api.wishes import PersonWishes
from serving.app.interfaces import Used
from serving.app.results import MAX_BATCH, NewEvent, PersonId, Recommendations, Wishes

router = APIRouter(prefix="/v1", tags=["recommendations"])
_read = Security(allowed, scopes=[READ])
_EXAMPLE = {
    "history": [{"kind": "like", "item_id": "318"}, {"kind": "rating", "item_id": "858", "value": 4.5}],
    "k": 5,
    "where": ["year>=1990"],
}


class Asked(Wishes):
    """A history, oldest first, and what is wanted."""

    history: list[NewEvent] = Field(default_factory=list, max_length=MAX_BATCH)


@router.get(
    "/people/{person}/recommendations",
    dependencies=[_read],
    response_model=Recommendations,
    responses=answers(200, RECOMMENDED, popular=FALLEN_BACK) | documented(404, 503),
)
async def recommend_to_person(
    used: Used, person: PersonId, asked: Annotated[PersonWishes, Query()]
) -> Response:
    """A list for a person, without anything that they have seen or hidden; a new event changes it."""
    return _sent(await used.recommendations.for_person(person, asked.wishes()))


@router.post(
    "/recommendations",
    dependencies=[_read],
    response_model=Recommendations,
    responses=answers(200, RECOMMENDED) | documented(503),
)
async def recommend(
    used: Used,
    body: Annotated[
        Asked, Body(openapi_examples={"two likes": {"value": _EXAMPLE}, "popular": {"value": {"k": 3}}})
    ],
) -> Response:
    """A list for who has no profile here; without a history the popular one."""
    return _sent(await used.recommendations.for_history(body.history, body))


def _sent(answer: Recommendations) -> Response:
    """As it is: FastAPI would validate it once more."""
    return Response(answer.model_dump_json(), media_type="application/json")
