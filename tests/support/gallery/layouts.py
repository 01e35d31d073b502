"""Generated logs in the layouts in which people have them, each with its map and an independent reading.

The layouts are those of some forty public logs. Each has the same events, as far as the layout can say them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from support.gallery.entries import EVENTS, Entry
from support.gallery.exports import EXPORTS
from support.gallery.logs import LOGS
from support.gallery.packages import PACKAGES
from support.gallery.times import TIMES

GALLERY: Final[dict[str, Callable[[], Entry]]] = {**LOGS, **TIMES, **PACKAGES, **EXPORTS}

__all__ = ["EVENTS", "GALLERY"]
