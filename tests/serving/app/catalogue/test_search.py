"""Search by title beside a plain reading of the rule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.app.catalogue.search import SearchIndex, words

TITLES = [
    "Toy Story (1995)", "Amélie", "The Lion King", "Story of a Toy", "Terminator 2: Judgment Day",
    "L'Été meurtrier", "Star Wars", "Start the Revolution Without Me", "Æon Flux", "東京物語",
    "The_Game_of_Ꟃ", "",
]  # fmt: skip


@pytest.fixture(scope="module")
def index() -> SearchIndex:
    return SearchIndex(TITLES)


@pytest.mark.parametrize(
    ("query", "first", "corrected"),
    [
        ("toy st", "Toy Story (1995)", {}),
        ("amelie", "Amélie", {}),
        ("AMÉLIE", "Amélie", {}),
        ("lion kng", "The Lion King", {"kng": "king"}),
        ("termnator", "Terminator 2: Judgment Day", {"termnator": "terminator"}),
        ("ete meurtr", "L'Été meurtrier", {}),
        ("star war", "Star Wars", {}),
        ("revoluiton", "Start the Revolution Without Me", {"revoluiton": "revolution"}),
        ("東京", "東京物語", {}),
        ("2 terminator", "Terminator 2: Judgment Day", {}),
        ("game of", "The_Game_of_Ꟃ", {}),
        ("ꟃ", "The_Game_of_Ꟃ", {}),  # a letter of Unicode 12, which SQLite's own tokenizer does not know
    ],
)
def test_titles_are_found_as_people_type_them(index, query, first, corrected):
    rows, read = index.find(query)
    assert TITLES[rows[0]] == first and read == corrected


@pytest.mark.parametrize(
    "query", ["", "   ", "?!", '"', "zzzzzz", 'a" OR "b', "NEAR(toy story)", "*", "(", "-toy"]
)
def test_no_query_breaks_the_index(index, query):
    rows, _ = index.find(query)
    assert set(rows.tolist()) <= set(range(len(TITLES)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=20), st.data())
def test_every_title_is_found_by_its_words_and_their_beginnings(titles, data):
    row = data.draw(st.integers(0, len(titles) - 1))
    typed = words(titles[row])
    index = SearchIndex(titles)
    if not typed or len(typed) > 12:
        return
    last = typed[-1]
    query = " ".join([*typed[:-1], last[: data.draw(st.integers(1, len(last)))]])
    found, corrected = index.find(query)
    assert row in found.tolist() and not corrected
    for other in found.tolist():
        have = words(titles[other])
        assert all(any(word.startswith(part) for word in have) for part in words(query))
