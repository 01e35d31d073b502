"""TFX artifacts as an executor is given them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def artifact(kind: type, uri: Path | str, **properties: int) -> Any:
    """An artifact of a kind at a place, with custom properties."""
    made = kind()
    made.uri = str(uri)
    for name, value in properties.items():
        made.set_int_custom_property(name, value)
    return made
