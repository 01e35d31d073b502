"""Covers: the same for the same item, others for others, readable, and nothing that a page must not run."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from serving.app.page.covers import cover, hue

TITLES = st.text(min_size=1, max_size=120).filter(str.strip)


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(first: str, second: str) -> float:
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_same_item_has_the_same_cover_and_others_another() -> None:
    drawn = [str(cover(str(number), f"Title {number}", ("Drama",), "1999")) for number in range(300)]
    assert len(set(drawn)) == 300
    cover.cache_clear()
    assert str(cover("7", "Title 7", ("Drama",), "1999")) == drawn[7]


def test_covers_of_one_taste_are_of_one_family() -> None:
    assert hue("Comedy") == hue("Comedy")
    assert len({hue(value) for value in ("Comedy", "Drama", "Horror", "kitchen", "toys")}) == 5


def test_the_title_can_be_read_on_its_ground() -> None:
    for number in range(200):
        drawn = str(cover(str(number), "A title", (f"taste {number}",)))
        ground = re.findall(r'<rect width="300" height="400" fill="(#......)"', drawn)[0]
        ink = re.findall(r'<text class="v[abc]"[^>]* fill="(#......)"', drawn)[0]
        assert _contrast(ground, ink) >= 7


@given(TITLES, st.text(max_size=30))
def test_any_title_is_text_in_a_well_formed_picture_that_fits(title: str, note: str) -> None:
    drawn = str(cover("1", title, ("x",), note))
    assert "style=" not in drawn
    clean = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", drawn)
    root = ElementTree.fromstring(clean)
    assert {node.tag for node in root.iter()} <= {
        "svg", "rect", "circle", "ellipse", "path", "polygon", "text",
    }  # fmt: skip
    lines = [node for node in root.iter("text") if node.get("class") != "vn"]
    assert 1 <= len(lines) <= 4
    assert all(230 < float(node.get("y") or 0) <= 400 for node in lines)


def test_a_title_that_would_be_markup_is_not() -> None:
    assert "<script" not in str(cover("1", "<script>alert(1)</script>", ('"><script>',), "<b>"))


def test_a_dash_begins_no_line() -> None:
    for number in range(60):
        drawn = str(cover(str(number), "Star Wars: Episode VI - Return of the Jedi", ("x",)))
        lines = re.findall(r'<text class="v[abc]"[^>]*>([^<]*)<', drawn)
        assert not any(line.startswith("-") for line in lines)
        assert "VI -" not in lines
