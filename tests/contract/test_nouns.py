from __future__ import annotations

import pytest

from contract.nouns import counted, plural


@pytest.mark.parametrize(
    ("noun", "several"),
    [("movie", "movies"), ("company", "companies"), ("toy", "toys"), ("dish", "dishes"), ("box", "boxes")],
)
def test_the_plural(noun, several):
    assert plural(noun) == several
    assert (counted(1, noun), counted(1200, noun)) == (f"1 {noun}", f"1,200 {several}")
