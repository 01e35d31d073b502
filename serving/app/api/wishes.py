"""Wishes as parameters of a query: lists repeat their parameter, unknown parameters are refused."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from serving.app.errors import BadRequestError
from serving.app.results import MAX_NAMED, ItemId, Result, Wishes

Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
# Tastes and boosts as a query has them: Drama:2.5, or Drama alone for 1; 318:0.2.
_Weighed = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]


class Filters(Result):
    """What narrows any list."""

    genres: list[Text] = Field(default_factory=list, max_length=64, description="any of these")
    year_min: int | None = Field(default=None, ge=0, le=9999)
    year_max: int | None = Field(default=None, ge=0, le=9999)
    where: list[Text] = Field(
        default_factory=list,
        max_length=64,
        description='condition on a column of the data: "brand=acme", "brand!=acme", "price<=20"',
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
    tastes: list[_Weighed] = Field(
        default_factory=list, max_length=64, description="VALUE:WEIGHT of the taste column, as in Drama:2.5"
    )
    candidates: list[ItemId] = Field(
        default_factory=list, max_length=MAX_NAMED, description="the only items to rank; all if left out"
    )
    boosts: list[_Weighed] = Field(
        default_factory=list,
        max_length=MAX_NAMED,
        description="ITEM:AMOUNT to add to the item's score, as in 318:0.2",
    )
    at_most: list[Text] = Field(
        default_factory=list,
        max_length=64,
        description="COLUMN=COUNT: how many items may share a value of the column",
        examples=[["genres=3"]],
    )
    explain: bool = Field(default=True, description="whether to say why")
    ratings: bool = Field(default=True, description="whether to predict ratings")

    def wishes(self) -> Wishes:
        read: dict[str, Any] = {
            "candidates": self.candidates or None,
            "tastes": dict(_taste(place, text) for place, text in enumerate(self.tastes)),
            "boosts": dict(_boost(place, text) for place, text in enumerate(self.boosts)),
            "at_most": dict(_count(place, text) for place, text in enumerate(self.at_most)),
        }
        return Wishes(**self.model_dump(exclude=set(read)), **read)


def _taste(place: int, text: str) -> tuple[str, float]:
    value, colon, weight = text.rpartition(":")
    if not colon:
        return text, 1.0
    number = _number(weight)
    if not value or not 0 <= number <= 100:
        raise BadRequestError(
            f"tastes.{place}", f"expected VALUE:WEIGHT with a weight from 0 to 100, got {text!r}"
        )
    return value, number


def _boost(place: int, text: str) -> tuple[str, float]:
    item, _, amount = text.rpartition(":")
    number = _number(amount)
    if not item or not math.isfinite(number):
        raise BadRequestError(f"boosts.{place}", f"expected ITEM:AMOUNT, as in 318:0.2, got {text!r}")
    return item, number


def _count(place: int, text: str) -> tuple[str, int]:
    column, _, count = text.partition("=")
    if not column or not re.fullmatch("[1-9][0-9]{0,8}", count):
        raise BadRequestError(
            f"at_most.{place}", f"expected COLUMN=COUNT with a count from 1 on, as in genres=3, got {text!r}"
        )
    return column, int(count)


def _number(text: str) -> float:
    """NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
