"""Known users: training data, with what the model makes of it. Only where the operator allows it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.app.interfaces import services
from serving.app.page.rendering import PageRoute, render

router = APIRouter(route_class=PageRoute)
_LIST = 12


@router.get("/known")
async def known_users(request: Request) -> Response:
    return render(request, "users.html", users=await services(request).known_users.all())


@router.get("/known/{user:path}")
async def known_user(request: Request, user: str) -> Response:
    known = services(request).known_users
    before, after = known.around(user)
    look = await known.look(user, _LIST)
    return render(request, "user.html", user=look, before=before, after=after)
