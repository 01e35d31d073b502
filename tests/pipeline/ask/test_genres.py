"""Values of columns as people type them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.ask import genres
from pipeline.errors import InputError

VALUES = {"genres": ["Drama", "Film-Noir"], "brand": ["ACME", "acme", *(f"b{n}" for n in range(1000))]}


def values_of(column: str) -> Sequence[str] | None:
    return VALUES.get(column)


def test_conditions_are_spelt_as_the_catalogue_has_them_and_others_are_left_to_the_model() -> None:
    typed = [" Genres = film-noir", "genres!=DRAMA", "brand=acme", "brand=ACME", "year<=1990", "price=3", "?"]
    assert genres.parse_conditions(typed, values_of) == [
        "genres=Film-Noir", "genres!=Drama", "brand=acme", "brand=ACME", "year<=1990", "price=3", "?",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("genres=Dramma", 'no product has the genre "Dramma"; did you mean Drama?'),
        ("genres!=Jazz", "there are Drama, Film-Noir"),
        ("brand=zzzzzzzz", "there are ACME, acme, b0, "),
        ("brand=", 'no product has the brand ""'),
    ],
)
def test_a_value_that_no_item_has_is_refused(typed: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        genres.parse_conditions([typed], values_of, "product")
    assert words in str(refused.value)
    assert len(str(refused.value)) < 300
