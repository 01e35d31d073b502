"""Every link leads somewhere, in the repository and on the site."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.docs_pages import DOCS, REPOSITORY, Page, pages


def broken(page: Page) -> list[str]:
    """Links of a page that lead nowhere."""
    found = []
    for link in page.links:
        if re.match(r"https?://", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        if not path.is_file():
            found.append(f"{link}: no such file")
        elif DOCS in page.path.parents and DOCS not in path.parents:
            found.append(f"{link}: outside of docs, where the site has no page; name it in code type")
        elif anchor and anchor not in Page(path).anchors:
            found.append(f"{link}: no such heading")
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Page) -> None:
    assert broken(page) == []


def test_broken_links_are_noticed(tmp_path: Path) -> None:
    page = Page(DOCS / "index.md")
    page.text = page.prose = "[a](no.md) [b](quickstart.md#no) [c](../README.md) [d](quickstart.md) `[e](f)`"
    assert [problem.partition(": ")[2][:12] for problem in broken(page)] == [
        "no such file",
        "no such head",
        "outside of d",
    ]


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    """`mkdocs build --strict`: pages missing in the navigation, links and anchors that lead nowhere."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    built = list((tmp_path / "site").rglob("*.html"))
    assert len(built) >= len(list(DOCS.rglob("*.md")))
    loaded = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?https?://[^\s>]+")
    assert [found for page in built for found in loaded.findall(page.read_text())] == []
