"""Several values of one cell of the catalogue as one text: Drama|Crime."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

SEPARATOR: Final = "|"
# Stands before a separator, or itself, that belongs to a value.
_ESCAPE: Final = "\\"
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_VALUE: Final = re.compile(r"(?:[^|\\]|\\.)+", re.DOTALL)


def joined(values: Iterable[str]) -> str:
    """The values, none of them empty, as a text."""
    escaped = (value.replace(_ESCAPE, _ESCAPE * 2) for value in values)
    return SEPARATOR.join(value.replace(SEPARATOR, _ESCAPE + SEPARATOR) for value in escaped)


def separated(text: str) -> list[str]:
    """The inverse of `joined`."""
    return [_ESCAPED.sub(r"\1", value) for value in _VALUE.findall(text)]
