"""One number in memory that processes share: which table is in force."""

from __future__ import annotations

import mmap
from collections.abc import MutableSequence
from pathlib import Path


def shared_epoch(path: Path) -> MutableSequence[int]:
    """Maps the number at `path`, which is made if it does not exist; element 0 is the epoch.

    Eight aligned bytes are written and read in one step, so that every process
    sees the old number or the new one.
    """
    with path.open("a+b") as file:
        if not file.tell():
            file.write(bytes(8))
            file.flush()
        # The view keeps the map alive.
        return memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")  # type: ignore[return-value]
