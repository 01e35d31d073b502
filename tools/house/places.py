"""Files that one touches for a change, by the docs' page that names them."""

from __future__ import annotations

import re
from typing import Final

from tools.house.sources import ROOT

PAGE: Final = "docs/develop/i-want-to.md"
# Section of the page -> the most files, tests and docs apart, that it may name.
SECTIONS: Final = {"A metric": 1, "An input layout": 1, "A kind of model": 2, "The REST error body": 1}

_ROW: Final = re.compile(r"^\| (`[^|]+) \|", re.MULTILINE)


def files_to_touch(section: str, page: str | None = None) -> list[str]:
    """The files of a section's table, without tests and docs.

    Args:
      page: its text; None: PAGE.

    Raises:
      ValueError: the page has no such section, or the section names no file.
    """
    text = (ROOT / PAGE).read_text(encoding="utf-8") if page is None else page
    _, found, rest = f"\n{text}".partition(f"\n## {section}\n")
    rows = _ROW.findall(rest.partition("\n## ")[0])
    files = [file for row in rows for file in re.findall(r"`([^`]+)`", row)]
    if not found or not files:
        raise ValueError(f"{PAGE} has no section '## {section}' with a table of files")
    return [file for file in files if not file.startswith(("tests/", "docs/"))]
