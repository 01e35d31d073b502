"""/v1/items, /v1/popular, /v1/new, /v1/model."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Security
from pydantic import Field

from serving.app.api import examples
from serving.app.api.examples import answers
from serving.app.api.keys import READ, allowed
from serving.app.api.problems import documented
from serving.app.api.wishes import Filters, ListFilters
from serving.app.interfaces import Used
from serving.app.results import MAX_PAGE, Found, ItemDetails, ItemId, ItemList, ModelDescription

router = APIRouter(prefix="/v1", tags=["items"], dependencies=[Security(allowed, scopes=[READ])])


class Search(Filters):
    """Words of a title, filters, and a page."""

    query: str = Field(default="", max_length=200, examples=["lion kng"])
    limit: int = Field(default=20, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(default=None, max_length=200, description="`next` of the page before")


@router.get("/items", responses=answers(200, examples.FOUND) | documented(503))
async def search_items(used: Used, search: Annotated[Search, Query()]) -> Found:
    """Items by title, with prefixes, typos and accents; without a query all, most popular first."""
    return used.items.search(search.query, search.wishes(), search.limit, search.cursor)


@router.get("/items/{item:path}/similar", responses=answers(200, examples.SIMILAR) | documented(404, 503))
async def similar_items(
    used: Used, item: Annotated[ItemId, Path()], k: Annotated[int, Query(ge=1, le=1000)] = 10
) -> ItemList:
    """The nearest items to one."""
    return await used.items.similar(item, k)


@router.get("/items/{item:path}", responses=answers(200, examples.DETAILS) | documented(404, 503))
async def get_item(used: Used, item: Annotated[ItemId, Path()]) -> ItemDetails:
    """An item, with what the training data says of it."""
    return used.items.get(item)


@router.get("/popular", responses=answers(200, examples.ITEMS) | documented(503))
async def popular_items(used: Used, asked: Annotated[ListFilters, Query()]) -> ItemList:
    """The most popular items of the training data that meet the filters."""
    return used.items.popular(asked.wishes())


@router.get("/new", responses=answers(200, examples.ITEMS) | documented(503))
async def new_items(used: Used, asked: Annotated[ListFilters, Query()]) -> ItemList:
    """The newest items that meet the filters: by year; without years those seen least in training."""
    return used.items.new(asked.wishes())


@router.get("/model", responses=answers(200, examples.MODEL) | documented(503), tags=["model"])
async def describe_model(used: Used) -> ModelDescription:
    """The version that answers, and what may be asked of it."""
    return used.model.describe()
