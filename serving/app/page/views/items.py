"""Items: search, suggestions while one types, and one item's page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from serving.app.page.rendering import PageRoute, render
from serving.app.page.views.common import Visit, visit
from serving.app.results import NewEvent, Wishes

router = APIRouter(route_class=PageRoute)
_PAGE = 24
_SUGGESTED = 7
_SIMILAR = 12
Visiting = Annotated[Visit, Depends(visit)]
Typed = Annotated[str, Query(max_length=200)]


@router.get("/search")
async def search(
    visiting: Visiting, query: Typed = "", cursor: Annotated[str | None, Query(max_length=500)] = None,
    column: Annotated[str, Query(max_length=64)] = "", value: Annotated[str, Query(max_length=200)] = "",
) -> Response:  # fmt: skip
    where = [f"{column}={value}"] if column and value else []
    found = visiting.services.items.search(query, Wishes(k=_PAGE, where=where), _PAGE, cursor)
    return render(
        visiting.request,
        "search.html",
        query=query,
        found=found,
        column=column,
        value=value,
        **visiting.shown,
    )


@router.get("/suggest")
async def suggest(visiting: Visiting, query: Typed = "") -> Response:
    """Rows for below the search field."""
    found = visiting.services.items.search(query, Wishes(k=_SUGGESTED), _SUGGESTED) if query.strip() else None
    return render(visiting.request, "parts/suggestions.html", query=query, found=found, **visiting.shown)


@router.get("/items/{item_id:path}")
async def item(visiting: Visiting, item_id: str) -> Response:
    used = visiting.services
    details = used.items.get(item_id)
    similar = await used.items.similar(item_id, _SIMILAR)
    # The cards of this shelf say neither ratings nor reasons.
    alone = Wishes(k=_SIMILAR, exclude=[item_id], explain=False, ratings=False)
    also = await used.recommendations.for_history([_liked(item_id)], alone)
    near = {one.id for one in similar.items[:6]}
    others = [one for one in also.items if one.id not in near][:6]
    return render(
        visiting.request,
        "item.html",
        item=details,
        similar=similar,
        also=also,
        others=others,
        **visiting.shown,
    )


def _liked(item_id: str) -> NewEvent:
    return NewEvent(kind="like", item_id=item_id)
