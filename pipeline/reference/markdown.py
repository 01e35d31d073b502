"""Pieces of Markdown that the pages share."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

WIDTH = 100


def heading(title: str, written_from: str) -> str:
    """The page's title, and which source to change instead of the page."""
    return f"# {title}\n\n<!-- Written from {written_from} by `make docs`. -->"


def paragraph(text: str) -> str:
    """Prose, wrapped; a config's or a flag's words are no markup."""
    return textwrap.fill(escape(text), WIDTH, break_long_words=False, break_on_hyphens=False)


def escape(text: str) -> str:
    """Text as it is, outside of code: no emphasis, no HTML."""
    parts = text.split("`")
    for at in range(0, len(parts), 2):
        for character in "\\*<":
            parts[at] = parts[at].replace(character, f"\\{character}")
    return "`".join(parts)


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are Markdown; a bar in one is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def page(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
