"""The words of the data, and paths that a form may send one back to."""

from __future__ import annotations

import pytest

from serving.app.page import static, visitor
from serving.app.page.words import sentence, spoken
from serving.app.results import Event, Scale


@pytest.mark.parametrize(
    ("title", "said"),
    [("Matrix, The", "The Matrix"), ("Avventura, L'", "L'Avventura"), ("Ciénaga, La", "La Ciénaga"),
     ("Circle, The (El círculo, 1998)", "The Circle (El círculo, 1998)"),
     ("City, The (Cité, La) (a.k.a. C)", "The City (Cité, La) (a.k.a. C)"), ("Heat (1995)", "Heat (1995)"),
     ("Heat", "Heat"), ("Lock, Stock", "Lock, Stock"), ("Pavel, Tariq and Rosa", "Pavel, Tariq and Rosa")],
)  # fmt: skip
def test_titles_are_written_as_people_say_them(title: str, said: str) -> None:
    assert spoken(title) == said


def test_names_of_columns_are_labels() -> None:
    assert sentence("rating_count") == "Rating count"


@pytest.mark.parametrize(
    "path", ["//elsewhere.example", "/\\elsewhere.example", "https://elsewhere.example", "", "x", "/a\nb"]
)
def test_a_form_sends_one_back_to_this_page_only(path: str) -> None:
    assert visitor.back(path) == "/"
    assert visitor.back("/items/a%20b?x=1") == "/items/a%20b?x=1"


def test_the_last_word_on_an_item_counts_and_a_view_says_nothing_against_it() -> None:
    events = [
        Event(id="1", kind="rating", item_id="a", value=4.5, time=1),
        Event(id="2", kind="view", item_id="a", value=None, time=2),
        Event(id="3", kind="like", item_id="b", value=None, time=3),
        Event(id="4", kind="hide", item_id="b", value=None, time=4),
    ]
    marks = visitor.marks(events)
    assert {item: mark.action for item, mark in marks.items()} == {"a": "rating:4.5", "b": "hide"}
    scale = Scale(low=0.5, high=5, step=0.5)
    assert [visitor.positive(mark, scale) for mark in marks.values()] == [True, False]
    assert not visitor.positive(visitor.Mark("c", "C", "rating", 2.0), scale)


def test_scripts_are_few_and_run_from_files_alone() -> None:
    scripts = sorted(static.FOLDER.rglob("*.js"))
    assert sum(file.stat().st_size for file in scripts) <= 150_000
    for template in (static.FOLDER.parent / "templates").rglob("*.html"):
        text = template.read_text()
        assert "style=" not in text and " on" + "click=" not in text and "javascript:" not in text, template
        assert text.count("<script") == text.count('<script type="module" src='), template
    everything = [
        *scripts,
        *static.FOLDER.rglob("*.css"),
        *(static.FOLDER.parent / "templates").rglob("*.html"),
    ]
    assert not [
        file
        for file in everything
        if "//" in file.read_text().replace("http://www.w3.org", "") and "https://" in file.read_text()
    ]
