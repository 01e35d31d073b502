"""Python's search for cycles of objects, in a process that answers requests."""

from __future__ import annotations

import gc
from typing import Final

# Objects that may be made before a search: more than requests under way have.
_THRESHOLD: Final = 50_000


def settle() -> None:
    """Called once, after the imports: what is there stays, and is searched no more.

    Requests leave no cycles behind; looking for them in all that the imports made took up to a tenth of a
    request's CPU.
    """
    gc.freeze()
    gc.set_threshold(_THRESHOLD)
