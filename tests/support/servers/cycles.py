"""What requests leave behind in cycles, which only Python's search for them finds."""

from __future__ import annotations

import collections
import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def left_in_cycles(*modules: str) -> Iterator[collections.Counter[str]]:
    """Counts, by type, the objects that the block leaves in cycles.

    Args:
      modules: the types counted are of these modules and of those below them.
    """
    found: collections.Counter[str] = collections.Counter()
    gc.collect()
    gc.disable()
    flags = gc.get_debug()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        for kind in map(type, gc.garbage):
            if any(f"{kind.__module__}.".startswith(f"{module}.") for module in modules):
                found[f"{kind.__module__}.{kind.__qualname__}"] += 1
    finally:
        gc.set_debug(flags)
        gc.garbage.clear()
        gc.enable()
        gc.collect()
