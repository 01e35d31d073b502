"""What people type and the movie it names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ask.titles import Movie, TitleError, TitleIndex, normalised

CATALOGUE = (
    Movie("1", "Toy Story", 1995, ("Animation", "Comedy"), 215),
    Movie("6", "Heat", 1995, ("Action", "Crime"), 102),
    Movie("7", "Sabrina", 1995, ("Comedy", "Romance"), 30),
    Movie("915", "Sabrina", 1954, ("Comedy", "Romance"), 20),
    Movie("2571", "Matrix, The", 1999, ("Action", "Sci-Fi"), 278),
    Movie("6365", "Matrix Reloaded, The", 2003, ("Action", "Sci-Fi"), 90),
    Movie("103335", "Heat, The", 2013, ("Comedy",), 5),
    Movie("4973", "Amelie (Fabuleux destin d'Amélie Poulain, Le)", 2001, ("Comedy", "Romance"), 120),
    Movie("47", "Seven (a.k.a. Se7en)", 1995, ("Mystery",), 200),
    Movie(
        "1201", "Good, the Bad and the Ugly, The (Buono, il brutto, il cattivo, Il)", 1966, ("Western",), 80
    ),
    Movie("3996", "Crouching Tiger, Hidden Dragon (Wo hu cang long)", 2000, ("Action",), 110),
    Movie("260", "Star Wars: Episode IV - A New Hope", 1977, ("Sci-Fi",), 251),
    Movie("1196", "Star Wars: Episode V - The Empire Strikes Back", 1980, ("Sci-Fi",), 211),
    Movie("34048", "War of the Worlds", 2005, ("Sci-Fi",), 50),
    Movie("64997", "War of the Worlds", 2005, ("Action",), 1),
    Movie("176371", "Blade Runner 2049", 2017, ("Sci-Fi",), 18),
    Movie("541", "Blade Runner", 1982, ("Sci-Fi",), 124),
    Movie("1080", "Monty Python's Life of Brian", 1979, ("Comedy",), 89),
    Movie("44204", "Tsotsi", 0, (), 1),
    Movie("5971", "$", 1971, ("Comedy",), 1),
)


@pytest.fixture(scope="module")
def titles() -> TitleIndex:
    return TitleIndex(CATALOGUE)


@pytest.mark.parametrize(
    ("query", "movie_id"),
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
def test_names_one_movie(titles: TitleIndex, query: str, movie_id: str) -> None:
    assert titles.find(query).movie_id == movie_id


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("Sabrina", ("names 2 movies", "Sabrina (1995)", "Sabrina (1954)", "id:915", '"Sabrina (1995)"')),
        ("Star Wars", ("names 2 movies", "Episode IV", "Episode V", "Sci-Fi")),
        # Same title, same year: only the id tells them apart.
        ("War of the Worlds (2005)", ("names 2 movies", "id:34048", "id:64997", '"id:34048"')),
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
        ("xyzzyq", "nor anything like it; the model knows 20 movies"),
        ("Heat (1996)", 'no "Heat" of 1996 in the catalogue, but "Heat (1995)"'),
        ("id:77", 'the catalogue has no movie "id:77"'),
        ("", 'no movie is called ""'),
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
    assert [(movie.movie_id, mark) for movie, mark in titles.find_all(text)] == expected


def test_an_unknown_title_in_a_list_is_named(titles: TitleIndex) -> None:
    with pytest.raises(TitleError, match='"Hest"; did you mean "Heat'):
        titles.find_all("Toy Story, Hest, Sabrina (1954)")


@pytest.mark.parametrize("movie", CATALOGUE, ids=lambda movie: movie.movie_id)
def test_every_shown_label_names_its_movie(titles: TitleIndex, movie: Movie) -> None:
    """What a message shows can be typed back, unless a namesake shares the year."""
    if movie.title == "War of the Worlds":
        return
    assert titles.find(movie.label) == movie
    assert titles.find_all(movie.label) == [(movie, "")]


@settings(deadline=None)
@given(
    st.lists(st.from_regex(r"[a-z0-9]+", fullmatch=True), min_size=1, max_size=4),
    st.sampled_from("-:,.!?/  "),
)
def test_case_marks_and_punctuation_do_not_count(words: list[str], sign: str) -> None:
    plain = " ".join(words)
    acute = "".join(letter + "\N{COMBINING ACUTE ACCENT}" for letter in plain)
    written = f"{sign} ".join(words)
    assert normalised(plain.upper()) == normalised(acute) == normalised(written) == plain


@settings(deadline=None)
@given(st.text())
def test_any_text_gives_a_movie_or_a_message(text: str) -> None:
    titles = TitleIndex(CATALOGUE)
    try:
        found = titles.find_all(text)
    except TitleError as error:
        assert str(error)
    else:
        assert all(movie in CATALOGUE for movie, _ in found)
