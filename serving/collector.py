"""Python's search for cycles of objects, in a process that answers requests."""

from __future__ import annotations

import gc
from typing import Final

# Objects that may be made before a search. Requests for data leave no cycles (tests hold that), so a search
# finds little; it takes up to a microsecond for each object of the requests under way, and nobody is
# answered meanwhile. So many they do not have: a long history makes some thousands.
_THRESHOLD: Final = 50_000


def settle() -> None:
    """Called once, after the imports: what is there stays, and is searched no more.

    Most of what a request makes is freed without it; looking for cycles in all that the imports made took
    up to a tenth of a request's CPU.
    """
    gc.freeze()
    gc.set_threshold(_THRESHOLD)
