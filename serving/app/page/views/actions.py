"""What a visitor does with an item: like, rate, hide, seen it, and taking any of it back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from serving.app.errors import BadRequestError, NotFoundError
from serving.app.interfaces import services
from serving.app.page import visitor
from serving.app.page.rendering import PageRoute, render
from serving.app.page.views.common import Visit, visit
from serving.app.page.words import spoken
from serving.app.results import NewEvent

router = APIRouter(route_class=PageRoute)
_CLEAR = "clear"
_SAID = {
    "like": "You like {}.", "dislike": "You do not like {}.", "hide": "{} is hidden.",
    "view": "{} is marked as seen.", "rating": "{} has {} from you.", _CLEAR: "{} is forgotten.",
}  # fmt: skip


@router.post("/act")
async def act(visiting: Annotated[Visit, Depends(visit)]) -> Response:
    """Stores what was done, and returns to where it was done.

    Fields: `item_id`; `do`, an event such as "like" or "rating:3.5", or "clear"; `back`, a path.
    """
    request, used = visiting.request, visiting.services
    visitor.check_origin(request)
    sent = await visitor.read_form(request)
    do, item_id = sent.get("do", ""), sent.get("item_id", "")
    title = spoken(used.items.get(item_id).title)
    person = visiting.person or visitor.new_person()
    before = visiting.marks.get(item_id)
    if do == _CLEAR:
        if visiting.person:
            for said in await used.people.history(person):
                if said.item_id == item_id:
                    await used.people.delete(person, said.id)
    else:
        await used.people.get_or_create(person)
        await used.people.add(person, [_event(do, item_id)], "do")
    response = RedirectResponse(visitor.back(sent.get("back", "/")), 303)
    visitor.remember(request, response, visitor.PERSON, person)
    kind, _, value = do.partition(":")
    words = _SAID.get(kind, "{0}: noted.").format(title, value)
    undo = {"do": before.action if before else _CLEAR, "item_id": item_id}
    visitor.flash(request, response, words, undo)
    return response


@router.get("/forget")
async def confirm(request: Request) -> Response:
    return render(request, "forget.html")


@router.post("/forget")
async def forget(request: Request) -> Response:
    """Erases the visitor with everything that was stored of them."""
    visitor.check_origin(request)
    person = visitor.person(request)
    response = RedirectResponse("/", 303)
    if person:
        try:
            erased = await services(request).people.erase(person)
            visitor.flash(request, response, f"Erased: you, and {erased.events} events.")
        except NotFoundError:
            visitor.flash(request, response, "Nothing was stored of you.")
    response.delete_cookie(visitor.PERSON, httponly=True, samesite="lax")
    response.delete_cookie(visitor.WISHES, httponly=True, samesite="lax")
    return response


def _event(do: str, item_id: str) -> NewEvent:
    """ "like", or "rating:3.5"."""
    kind, _, value = do.partition(":")
    try:
        return NewEvent(kind=kind, item_id=item_id, value=float(value) if value else None)
    except ValueError as error:
        raise BadRequestError(
            "do", f'expected an event such as "like" or "rating:3.5", got "{do}"'
        ) from error
