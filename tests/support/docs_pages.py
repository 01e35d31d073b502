"""The docs' Markdown, taken apart: links, anchors, code type, code blocks."""

from __future__ import annotations

import dataclasses
import functools
import re
import unicodedata
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block; `language` is empty where none is named."""

    language: str
    text: str


class Page:
    """One Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.relative_to(REPOSITORY).as_posix()
        self.text = path.read_text()
        self.prose = _FENCE.sub("", self.text)  # with headings and tables

    @property
    def blocks(self) -> list[Block]:
        return [Block(*found) for found in _FENCE.findall(self.text)]

    @property
    def code(self) -> list[str]:
        """What stands in code type outside of blocks; a line end inside is a blank."""
        return [" ".join(found.split()) for found in _CODE.findall(self.prose)]

    @property
    def links(self) -> list[str]:
        return _LINK.findall(_CODE.sub("", self.prose))

    @functools.cached_property
    def anchors(self) -> set[str]:
        """Anchors of headings that the site and a repository's web page agree on."""
        headings = [re.sub(r"[`*]", "", found).strip() for found in _HEADING.findall(self.prose)]
        return {_site_slug(text) for text in headings} & {_repository_slug(text) for text in headings}


def pages() -> list[Page]:
    """README, CONTRIBUTING and everything below docs."""
    top = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"]
    return [Page(path) for path in (*top, *sorted(DOCS.rglob("*.md")))]


def _site_slug(text: str) -> str:
    """As Python-Markdown's toc makes it."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_text).strip().lower())


def _repository_slug(text: str) -> str:
    """As web pages of repositories make it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
