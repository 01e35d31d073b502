"""Wishes as parameters of a query: lists repeat their parameter, unknown parameters are refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from serving.app.errors import BadRequestError
from serving.app.results import ItemId, Result, Wishes

Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
# Tastes as a query has them: Drama:2.5, or Drama alone for 1.
_TasteText = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]{1,200}$")]


class Filters(Result):
    """What narrows any list."""

    genres: list[Text] = Field(default_factory=list, max_length=64, description="any of these")
    year_min: int | None = Field(default=None, ge=0, le=9999)
    year_max: int | None = Field(default=None, ge=0, le=9999)
    where: list[Text] = Field(
        default_factory=list,
        max_length=64,
        description='condition on a column of the data: "brand=acme", "price<=20"',
        examples=[["year>=1990"]],
    )
    exclude: list[ItemId] = Field(default_factory=list, max_length=1000, description="items not to show")

    def wishes(self) -> Wishes:
        return Wishes(**self.model_dump(include=set(Filters.model_fields) | {"k"}))


class ListFilters(Filters):
    k: int = Field(default=10, ge=1, le=1000, description="how many items")


class PersonWishes(ListFilters):
    """What a person's list may be asked for."""

    diversity: float = Field(default=0.0, ge=0, le=1, description="0 relevance only, 1 diversity only")
    tastes: list[_TasteText] = Field(
        default_factory=list, max_length=64, description="VALUE:WEIGHT of the taste column, as in Drama:2.5"
    )
    explain: bool = Field(default=True, description="whether to say why")
    ratings: bool = Field(default=True, description="whether to predict ratings")

    def wishes(self) -> Wishes:
        tastes = dict(_taste(place, text) for place, text in enumerate(self.tastes))
        return Wishes(**self.model_dump(exclude={"tastes"}), tastes=tastes)


def _taste(place: int, text: str) -> tuple[str, float]:
    value, colon, weight = text.rpartition(":")
    if not colon:
        return text, 1.0
    try:
        number = float(weight)
    except ValueError:
        number = -1.0
    if not value or not 0 <= number <= 100:
        raise BadRequestError(
            f"tastes.{place}", f"expected VALUE:WEIGHT with a weight from 0 to 100, got {text!r}"
        )
    return value, number
