"""Python's search for cycles of objects, in a process that answers requests."""

from __future__ import annotations

import gc
from typing import Final

# Objects that may be made before a search: more than requests under way have, and few enough that nobody
# waits for it. A search among 50,000 stopped the event loop for 25 to 57 ms every few seconds.
_THRESHOLD: Final = 10_000


def settle() -> None:
    """Called once, after the imports: what is there stays, and is searched no more.

    Most of what a request makes is freed without it; looking for cycles in all that the imports made took
    up to a tenth of a request's CPU.
    """
    gc.freeze()
    gc.set_threshold(_THRESHOLD)
