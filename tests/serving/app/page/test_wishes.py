"""The form of the page: what a cookie says, read against one version's data."""

from __future__ import annotations

import asyncio
import collections
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from serving.app.catalogue import filters
from serving.app.catalogue.catalogue import Catalogue
from serving.app.page.first_picks import first_picks
from serving.app.page.views.common import Visit
from serving.app.page.wishes import form, wishes
from serving.app.results import Column, Recommendations, Wishes

COLUMNS = [
    Column(name="category", kind="multi", taste=True, filters=True),
    Column(name="words", kind="text", filters=False),
    Column(name="price", kind="number", filters=True),
]


def snapshot(items: int = 30) -> Any:
    """As much of a version as form and picks read: its catalogue and its taste column."""
    categories = (["toys"], ["books", "toys"], ["garden"])
    table = pa.table(
        {
            "item_id": [f"i{row}" for row in range(items)],
            "title": [f"Item {row}" for row in range(items)],
            "year": [0] * items,
            "rating_count": list(range(items, 0, -1)),
            "rating_mean": [0.0] * items,
            "category": [categories[row % 3] for row in range(items)],
            "words": ["some words"] * items,
            "price": [[float(row)] for row in range(items)],
        }
    )
    catalogue = Catalogue(table, COLUMNS, np.linspace(1, 0, items))
    return SimpleNamespace(catalogue=catalogue, taste_column="category")


def test_the_form_offers_what_the_data_has() -> None:
    made = form(snapshot(), {})
    assert list(made.tastes) == ["toys", "books", "garden"]
    assert [(choice.column, list(choice.values)) for choice in made.choices] == [
        ("category", ["books", "garden", "toys"])
    ]
    assert made.ranges == [("price", 0.0, 29.0)]
    assert dict(made.chosen) == {} and not made.filtered


def test_chosen_fields_become_wishes() -> None:
    given = {"taste.toys": "3", "is.category": "books", "max.price": "12.5", "diversity": "40"}
    asked = wishes(form(snapshot(), given), 24)
    assert (asked.k, asked.diversity) == (24, 0.4)
    assert asked.tastes == {"toys": 3.0}
    assert asked.where == ["category=books", "price<=12.5"]


def test_what_another_version_or_somebody_else_wrote_is_dropped() -> None:
    given = {
        "taste.unknown": "3", "taste.toys": "99", "taste.books": "x", "is.brand": "acme", "min.price": "nan",
        "diversity": "-5", "is.category": "gone", "back": "/", "max.price": "1e400",
    }  # fmt: skip
    assert dict(form(snapshot(), given).chosen) == {}


def test_first_picks_take_turns_and_their_pages_have_no_item_twice() -> None:
    version = snapshot()
    first = [item.id for item in first_picks(version, 6)]
    assert first == ["i0", "i1", "i2", "i3", "i4", "i5"]
    second = [item.id for item in first_picks(version, 6, page=1)]
    assert not set(first) & set(second) and len(second) == 6
    everything = [item.id for page in range(6) for item in first_picks(version, 6, page)]
    assert sorted(everything) == sorted(version.catalogue.ids)


def test_without_a_taste_column_the_most_popular_are_picked() -> None:
    version = snapshot()
    plain = SimpleNamespace(catalogue=version.catalogue, taste_column=None)
    assert [item.id for item in first_picks(plain, 4)] == ["i0", "i1", "i2", "i3"]  # type: ignore[arg-type]


def test_what_the_version_that_answers_lacks_is_left_out_and_said() -> None:
    """The form is of the default version; an experiment's may answer, and no form to mend it was shown."""
    asked: list[Wishes] = []

    async def for_history(_: Any, given: Wishes) -> Recommendations:
        asked.append(given)
        filters.check(snapshot(items=1).catalogue, collections.defaultdict(lambda: 1e9), given)
        return Recommendations(items=[], source="model", model="m", version=2)

    used = SimpleNamespace(recommendations=SimpleNamespace(for_history=for_history))
    visit = Visit(SimpleNamespace(), used, None, {})  # type: ignore[arg-type]
    made = form(
        snapshot(), {"is.category": "books", "taste.garden": "2", "max.price": "9", "diversity": "40"}
    )
    answer = asyncio.run(visit.list(made, 5))
    first, second = asked
    assert (first.where, first.tastes) == (["category=books", "price<=9"], {"garden": 2.0})
    assert (second.where, second.tastes, second.diversity) == (["price<=9"], {}, 0.4)
    assert answer.reason is not None
    assert answer.reason.startswith("Shown without choices and tastes: no item has category=")
