"""A layout is one file and its line in the registry."""

import pytest
from support.extensions import toy_layout

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts


def test_a_toy_layout_is_read_by_one_file_and_its_entry(tmp_path, read, monkeypatch):
    (tmp_path / "jukebox.txt").write_text("ann: x y z\nbob: y x\nbroken\n: z\n")
    with pytest.raises(DataError, match=r"jukebox\.txt: is no MovieLens file"):
        layouts.detect(tmp_path, ExampleGenParams())
    monkeypatch.setattr(layouts, "LAYOUTS", (*layouts.LAYOUTS, toy_layout.LAYOUT))
    found = read(tmp_path, max_bad_share=1)
    assert found.layout == "jukebox: jukebox.txt; no ratings: events count alike; in the order of the rows"
    assert [row[:2] for row in found.ratings] == [
        ("ann", "x"), ("ann", "y"), ("ann", "z"), ("bob", "y"), ("bob", "x"),
    ]  # fmt: skip
    assert [(row["line"], row["kind"]) for row in found.rows_bad] == [
        (3, "wrong number of columns"), (4, "missing user or item"),
    ]  # fmt: skip
    assert read(tmp_path / "jukebox.txt", layout="jukebox", max_bad_share=1).ratings == found.ratings


def test_an_unknown_layout_is_told_with_those_that_are_known(tmp_path):
    with pytest.raises(
        DataError, match=r"^example_gen\.layout: is 'jukebox', expected one of auto, movielens-c"
    ):
        layouts.detect(tmp_path, ExampleGenParams(layout="jukebox"))
