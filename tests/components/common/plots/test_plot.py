"""Plots say in words what they show, carry nothing that is fetched, and can stand side by side."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from components.common.plots import plot
from components.common.plots.plot import Plot

NAME = 'a <b> & "c" $x_1$ \\1'


def plots() -> list[Plot]:
    curve = [(1.0, 0.5), (2.0, 0.25)]
    return [
        plot.bars("Bars", {NAME: 0.5, "none": math.nan}, {NAME: 0.125}),
        plot.grouped_bars("Groups", {"ours": {NAME: 0.5, "d": 0.1}, "theirs": {NAME: 0.25, "d": 0.0}}),
        plot.lines("Lines", {"loss": curve, NAME: curve}, "epoch"),
        plot.histogram("Histogram", [0.0, 0.25, 0.5, 0.75, 1.0], "score"),
        plot.scatter("Map", {"g": [(0.0, 0.0), (1.0, 1.0)], NAME: [(0.5, 0.5)]}, {NAME: (0.5, 0.5)}),
    ]


def test_each_is_one_element_with_its_words() -> None:
    for found in plots():
        root = ElementTree.fromstring(found.svg)
        assert root.get("role") == "img" and root.get("aria-label") == found.title
        assert [node.text for node in root if node.tag.endswith("desc")] == [found.words]
        assert not re.findall(r"https?://(?!www\.w3\.org/(?:2000/svg|1999/xlink))", found.svg)
        # What refers within the figure finds its end there.
        ids = set(re.findall(r'\bid="([^"]+)"', found.svg))
        assert set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", found.svg)) <= ids


def test_words_hold_the_figures() -> None:
    words = {found.title: found.words for found in plots()}
    assert words["Bars"] == f"{NAME} 0.500 ± 0.125, none no value"
    assert words["Groups"].startswith(f"ours: {NAME} 0.50, d 0.10; theirs: ")
    assert "0.25 at epoch 2" in words["Lines"]
    assert "median 0.5" in words["Histogram"]
    assert words["Map"] == f"3 points: g 2, {NAME} 1"


def test_names_stand_as_they_are() -> None:
    for found in plots():
        if NAME in found.words and found.title != "Lines":
            texts = ["".join(node.itertext()) for node in ElementTree.fromstring(found.svg).iter()]
            assert any(NAME in text for text in texts)


def test_figures_in_one_page_share_no_id() -> None:
    every = [name for found in plots() for name in re.findall(r'\bid="([^"]+)"', found.svg)]
    assert len(every) == len(set(every))


def test_the_same_data_give_the_same_bytes() -> None:
    assert [found.svg for found in plots()] == [found.svg for found in plots()]


@pytest.mark.parametrize("values", [{}, {"only": 0.0}])
def test_little_to_show(values: dict[str, float]) -> None:
    ElementTree.fromstring(plot.bars("Bars", values).svg)


def test_names_on_a_map_that_find_no_room_are_left_out() -> None:
    near = {f"name {i}": (0.5 + i * 1e-4, 0.5) for i in range(9)}
    far = {"far away": (0.0, 1.0), "too long for a line " * 9: (0.1, 0.1)}
    found = plot.scatter("Map", {"g": [*near.values(), *far.values(), (1.0, 0.0)]}, near | far)
    shown = re.findall(r">(name \d|far away|too long[^<]*)<", found.svg)
    assert shown == ["name 0", "name 1", "far away"]  # right of it, left of it, elsewhere
