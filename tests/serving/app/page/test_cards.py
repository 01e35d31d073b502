"""What a card offers."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from serving.app.page.rendering import environment
from serving.app.results import Scale


@pytest.mark.parametrize(
    ("scale", "classes"),
    [
        ((0.5, 5.0), ["half", "whole"] * 5),
        ((1.0, 5.0), ["full"] * 5),
        ((0.0, 1.0), ["full"] * 11),
    ],
)
def test_stars_are_halves_where_people_rate_in_halves(scale, classes):
    cards = environment.get_template("parts/cards.html").module
    item = SimpleNamespace(id="1", title="One")
    text = cards.stars(item, None, "/", Scale.of(*scale))  # type: ignore[attr-defined]
    assert re.findall(r'class="(half|whole|full)[ "]', text) == classes
