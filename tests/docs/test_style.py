"""A page serves one need and can be read: short explanations, wrapped lines, small folders."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.docs_pages import DOCS, REPOSITORY, Page, pages

LONGEST_LINE = 112
LONGEST_README = 95
LONGEST_EXPLANATION = 900  # words
LARGEST_FOLDER = 12  # files


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_prose_is_wrapped(page: Page) -> None:
    prose = [line for line in page.prose.splitlines() if not line.startswith(("|", "<!--", "#"))]
    assert [line for line in prose if len(line) > LONGEST_LINE] == []


@pytest.mark.parametrize("path", sorted((DOCS / "explain").glob("*.md")), ids=lambda path: path.name)
def test_explanations_are_short(path: Path) -> None:
    assert len(path.read_text().split()) <= LONGEST_EXPLANATION


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= LONGEST_README


def test_folders_are_small() -> None:
    folders = [DOCS, *(path for path in DOCS.rglob("*") if path.is_dir())]
    files = {folder: [path for path in folder.iterdir() if path.is_file()] for folder in folders}
    assert {folder: len(found) for folder, found in files.items() if len(found) > LARGEST_FOLDER} == {}


def test_the_picture_of_the_pipeline_has_every_step() -> None:
    """Left of each line of the README's picture stands a step, which is a folder of components."""
    picture = next(block.text for block in Page(REPOSITORY / "README.md").blocks if "pusher" in block.text)
    steps = set(re.findall(r"^   ([a-z_]+)", picture, re.MULTILINE)) - {"statistics"}  # stock TFX
    components = REPOSITORY / "components"
    assert {step for step in steps if not (components / step).is_dir()} == set()
    own = {path.parent.name for path in components.glob("*/component.py")}
    # One imports the schemas that the picture names, one belongs to `final_fit: all`, two to a refresh.
    assert own - steps == {"import_schema", "all_events", "catalogue_check", "pushed_towers"}
