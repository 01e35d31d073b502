"""For you: picks, likes, wishes, and the list that follows from them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from serving.app.page import visitor
from serving.app.page.first_picks import first_picks
from serving.app.page.rendering import PageRoute, render
from serving.app.page.views.common import Visit, visit
from serving.app.page.wishes import TASTE_STEPS

router = APIRouter(route_class=PageRoute)
_LIST = 24
_PICKS = 12
# Likes from which on the picks make room for the list.
ENOUGH = 3


@router.get("/")
async def for_you(
    visiting: Annotated[Visit, Depends(visit)], more: Annotated[int, Query(ge=0, le=50)] = 0
) -> Response:
    made = visiting.form()
    answer = await visiting.list(made, _LIST)
    shown = visiting.shown
    snapshot = visiting.services.versions.current()
    picks = []
    if len(shown["liked"]) < ENOUGH:
        picks = first_picks(snapshot, _PICKS, more)
    return render(
        visiting.request, "for_you.html", form=made, answer=answer, picks=picks, more=more, enough=ENOUGH,
        taste_steps=TASTE_STEPS, **shown,
    )  # fmt: skip


@router.post("/wishes")
async def wish(request: Request) -> Response:
    """Keeps the form's fields; an empty form forgets them."""
    visitor.check_origin(request)
    sent = await visitor.read_form(request)
    fields = {name: value for name, value in sent.items() if value not in ("", "0")}
    response = RedirectResponse(visitor.back(sent.get("back", "/")), 303)
    kept = {} if "reset" in fields else {name: value for name, value in fields.items() if name != "back"}
    visitor.write_json(request, response, visitor.WISHES, kept)
    return response
