"""Disks that are full: room is looked for before much is written, and the error says what is missing."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from components.common import storage

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
# As C++ libraries and SQLite say it.
_TEXTS: Final = ("No space left on device", "Disk quota exceeded", "database or disk is full")


class DiskFullError(Exception):
    """There is no room for what is to be written; the text says how much is missing and where."""


def free_bytes(path: str) -> int | None:
    """Room on the file system of a path that may not be there yet; None for an object store."""
    if not storage.is_local(path):
        return None
    place = Path(path).absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def tree_bytes(path: str) -> int:
    """Bytes of all files below a folder, each rounded up to blocks of 4 KiB."""
    sizes = (storage.size(storage.join(path, name)) for name in storage.list_files(path))
    return sum(-(-size // 4096) * 4096 for size in sizes)


def size_text(count: float) -> str:
    """For instance "1.6 GiB"."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def is_full(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that a disk is full."""
    return any(
        isinstance(each, DiskFullError)
        or (isinstance(each, OSError) and each.errno in _FULL)
        or any(text in str(each) for text in _TEXTS)
        for each in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def told(*paths: str) -> str:
    """The room on the file systems of some paths, in words."""
    rooms = {path: free for path in paths if (free := free_bytes(path)) is not None}
    return ", ".join(f"{path} has {size_text(free)} free" for path, free in rooms.items())
