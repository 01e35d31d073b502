"""The map: where items lie, and which of them are the visitor's."""

from __future__ import annotations

import asyncio
import functools
import gzip
from typing import Annotated, Any, Final

import numpy as np
import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

import contract
from serving.app.interfaces import services
from serving.app.link.snapshot import Snapshot
from serving.app.page.covers import dot_colour
from serving.app.page.rendering import PageRoute, render
from serving.app.page.views.common import Visit, visit
from serving.app.page.words import spoken

router = APIRouter(route_class=PageRoute)
_LIST = 24
# Values of a column with a colour of their own: more are not told apart.
_COLOURS: Final = 12
# Dots where scripts do not run.
_PLAIN: Final = 400


@router.get("/map")
async def item_map(visiting: Annotated[Visit, Depends(visit)]) -> Response:
    snapshot = visiting.services.versions.current()
    points = _points(snapshot)
    shown = visiting.shown
    listed = (
        [item.id for item in (await visiting.list(visiting.form(), _LIST)).items] if shown["liked"] else []
    )
    return render(
        visiting.request, "map.html", count=len(points["items"]), total=len(snapshot.catalogue),
        version=snapshot.version, columns=list(points["columns"]), dots=_dots(points),
        mine={"liked": [mark.item_id for mark in shown["liked"]], "listed": listed},
    )  # fmt: skip


@router.get("/map/points")
async def points(request: Request) -> Response:
    """Every item's place, and its value in each column; large, so compressed once for each version."""
    snapshot = services(request).versions.current()
    body = await asyncio.to_thread(_packed, snapshot)
    headers = {"Cache-Control": "private, max-age=86400", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(body, headers={**headers, "Content-Encoding": "gzip"}, media_type="application/json")
    return Response(gzip.decompress(body), headers=headers, media_type="application/json")


@functools.lru_cache(maxsize=2)
def _points(snapshot: Snapshot) -> dict[str, Any]:
    catalogue, places = snapshot.catalogue, snapshot.carried.places
    rows = [(row, x, y) for id_, x, y in places if (row := catalogue.row(id_)) is not None]
    items = [
        [catalogue.ids[row], spoken(catalogue.titles[row] or catalogue.ids[row]), round(x, 4), round(y, 4)]
        for row, x, y in rows
    ]
    taste = snapshot.taste_column
    names = sorted(
        (name for name in catalogue.values if name != contract.TAGS), key=lambda name: name != taste
    )
    columns = {}
    for name in names:
        values = list(catalogue.values[name])[:_COLOURS]
        of = np.full(len(catalogue), -1)
        # The least frequent value says most of an item that has several.
        for at, value in enumerate(values):
            of[catalogue.values[name][value]] = at
        colours = [dot_colour(at, len(values)) for at in range(len(values))]
        columns[name] = {"values": values, "colours": colours, "of": [int(of[row]) for row, _, _ in rows]}
    return {"version": snapshot.version, "items": items, "columns": columns}


@functools.lru_cache(maxsize=2)
def _packed(snapshot: Snapshot) -> bytes:
    return gzip.compress(orjson.dumps(_points(snapshot)), 6)


def _dots(points: dict[str, Any]) -> list[dict[str, Any]]:
    column = next(iter(points["columns"].values()), None)
    return [
        {
            "id": id_, "title": title, "x": x, "y": y,
            "colour": column["colours"][at] if column and (at := column["of"][row]) >= 0 else "#8a8592",
        }
        for row, (id_, title, x, y) in enumerate(points["items"][:_PLAIN])
    ]  # fmt: skip
