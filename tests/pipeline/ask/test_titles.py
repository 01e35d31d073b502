"""What people type and the item it names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ask.titles import Item, TitleError, TitleIndex, normalised

CATALOGUE = (
    Item("1", "Toy Story", 1995, ("Animation", "Comedy"), 215),
    Item("6", "Heat", 1995, ("Action", "Crime"), 102),
    Item("7", "Sabrina", 1995, ("Comedy", "Romance"), 30),
    Item("915", "Sabrina", 1954, ("Comedy", "Romance"), 20),
    Item("2571", "Matrix, The", 1999, ("Action", "Sci-Fi"), 278),
    Item("6365", "Matrix Reloaded, The", 2003, ("Action", "Sci-Fi"), 90),
    Item("103335", "Heat, The", 2013, ("Comedy",), 5),
    Item("4973", "Amelie (Fabuleux destin d'Amélie Poulain, Le)", 2001, ("Comedy", "Romance"), 120),
    Item("47", "Seven (a.k.a. Se7en)", 1995, ("Mystery",), 200),
    Item(
        "1201", "Good, the Bad and the Ugly, The (Buono, il brutto, il cattivo, Il)", 1966, ("Western",), 80
    ),
    Item("3996", "Crouching Tiger, Hidden Dragon (Wo hu cang long)", 2000, ("Action",), 110),
    Item("260", "Star Wars: Episode IV - A New Hope", 1977, ("Sci-Fi",), 251),
    Item("1196", "Star Wars: Episode V - The Empire Strikes Back", 1980, ("Sci-Fi",), 211),
    Item("34048", "War of the Worlds", 2005, ("Sci-Fi",), 50),
    Item("64997", "War of the Worlds", 2005, ("Action",), 1),
    Item("176371", "Blade Runner 2049", 2017, ("Sci-Fi",), 18),
    Item("541", "Blade Runner", 1982, ("Sci-Fi",), 124),
    Item("1080", "Monty Python's Life of Brian", 1979, ("Comedy",), 89),
    Item("44204", "Tsotsi", 0, (), 1),
    Item("5971", "$", 1971, ("Comedy",), 1),
)


@pytest.fixture(scope="module")
def titles() -> TitleIndex:
    return TitleIndex(CATALOGUE)


@pytest.mark.parametrize(
    ("query", "item_id"),
    [
        ("Toy Story", "1"),
        ("  toy   STORY ", "1"),
        ("Toy Story (1995)", "1"),
        ("toy story 1995", "1"),
        ("The Matrix", "2571"),
        ("Matrix, The (1999)", "2571"),
        ("matrix", "2571"),
        ("the matrix reloaded", "6365"),
        ("Heat", "6"),
        ("The Heat", "103335"),
        ("Heat (2013)", "103335"),
        ("amelie", "4973"),
        ("AMÉLIE", "4973"),
        ("Le fabuleux destin d’Amélie Poulain", "4973"),
        ("se7en", "47"),
        ("Seven", "47"),
        ("The Good, the Bad and the Ugly", "1201"),
        ("good the bad & the ugly", "1201"),
        ("crouching tiger hidden dragon", "3996"),
        ("Star Wars 1977", "260"),
        ("Blade Runner 2049", "176371"),
        ("Blade Runner", "541"),
        ("Monty Pythons Life of Brian", "1080"),
        ("Tsotsi", "44204"),
        ("$", "5971"),
        ("id:915", "915"),
        ("ID: 915", "915"),
    ],
)
def test_names_one_item(titles: TitleIndex, query: str, item_id: str) -> None:
    assert titles.find(query).item_id == item_id


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("Sabrina", ("names 2 items", "Sabrina (1995)", "Sabrina (1954)", "id:915", '"Sabrina (1995)"')),
        ("Star Wars", ("names 2 items", "Episode IV", "Episode V", "Sci-Fi")),
        # Same title, same year: only the id tells them apart.
        ("War of the Worlds (2005)", ("names 2 items", "id:34048", "id:64997", '"id:34048"')),
    ],
)
def test_ambiguous_titles_list_the_candidates(titles: TitleIndex, query: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(TitleError) as caught:
        titles.find(query)
    assert all(part in str(caught.value) for part in parts)
    assert caught.value.exit_code == 2


def test_the_most_rated_candidate_comes_first(titles: TitleIndex) -> None:
    with pytest.raises(TitleError) as caught:
        titles.find("sabrina")
    assert str(caught.value).index("(1995)") < str(caught.value).index("(1954)")


@pytest.mark.parametrize(
    ("query", "suggested"),
    [
        ("Teh Matirx", "Matrix, The (1999)"),
        ("Amlie", "Amelie (Fabuleux destin d'Amélie Poulain, Le) (2001)"),
        ("Crouching Tigre Hidden Dragon", "Crouching Tiger, Hidden Dragon (Wo hu cang long) (2000)"),
        ("empire strikes back", "Star Wars: Episode V - The Empire Strikes Back (1980)"),
        ("Toy Stroy (1995)", "Toy Story (1995)"),
    ],
)
def test_misspelt_titles_get_suggestions(titles: TitleIndex, query: str, suggested: str) -> None:
    assert titles.suggestions(query)[0].label == suggested
    with pytest.raises(TitleError, match="did you mean") as caught:
        titles.find(query)
    assert f'"{suggested}"' in str(caught.value)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("xyzzyq", "nor anything like it; the model knows 20 items"),
        ("Heat (1996)", 'no "Heat" of 1996 in the catalogue, but "Heat (1995)"'),
        ("id:77", 'the catalogue has no item "id:77"'),
        ("", 'no item is called ""'),
    ],
)
def test_unknown_titles_say_so(titles: TitleIndex, query: str, reason: str) -> None:
    with pytest.raises(TitleError) as caught:
        titles.find(query)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Toy Story, Heat", [("1", ""), ("6", "")]),
        ("Toy Story,Heat=4 ; The Matrix = 2.5", [("1", ""), ("6", "4"), ("2571", "2.5")]),
        ("Matrix, The, Heat", [("2571", ""), ("6", "")]),
        ("Good, the Bad and the Ugly, The", [("1201", "")]),
        (
            "Heat, Crouching Tiger, Hidden Dragon=3, Sabrina (1954)",
            [("6", ""), ("3996", "3"), ("915", "")],
        ),
        ("Heat;Matrix, The (1999)", [("6", ""), ("2571", "")]),
        (" , Heat,, ;", [("6", "")]),
        ("", []),
    ],
)
def test_lists_take_the_longest_title_at_each_comma(
    titles: TitleIndex, text: str, expected: list[tuple[str, str]]
) -> None:
    assert [(item.item_id, mark) for item, mark in titles.find_all(text)] == expected


def test_an_unknown_title_in_a_list_is_named(titles: TitleIndex) -> None:
    with pytest.raises(TitleError, match='"Hest"; did you mean "Heat'):
        titles.find_all("Toy Story, Hest, Sabrina (1954)")


@pytest.mark.parametrize("item", CATALOGUE, ids=lambda item: item.item_id)
def test_every_shown_label_names_its_item(titles: TitleIndex, item: Item) -> None:
    """What a message shows can be typed back, unless a namesake shares the year."""
    if item.title == "War of the Worlds":
        return
    assert titles.find(item.label) == item
    assert titles.find_all(item.label) == [(item, "")]


@settings(deadline=None)
@given(
    st.lists(st.from_regex(r"[a-z0-9]+", fullmatch=True), min_size=1, max_size=4),
    st.sampled_from("-:,.!?/  "),
)
def test_case_marks_and_punctuation_do_not_count(words: list[str], sign: str) -> None:
    words = [*words, "last"]  # an article there, behind a comma, is one that was moved: "Matrix, The"
    plain = " ".join(words)
    acute = "".join(letter + "\N{COMBINING ACUTE ACCENT}" for letter in plain)
    written = f"{sign} ".join(words)
    assert normalised(plain.upper()) == normalised(acute) == normalised(written) == plain


@settings(deadline=None)
@given(st.text())
def test_any_text_gives_an_item_or_a_message(text: str) -> None:
    titles = TitleIndex(CATALOGUE)
    try:
        found = titles.find_all(text)
    except TitleError as error:
        assert str(error)
    else:
        assert all(item in CATALOGUE for item, _ in found)
