"""A folder that is either whole or not there."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(destination: Path) -> Iterator[Path]:
    """Gives an empty folder to fill, which takes the name `destination` at the end.

    The folder lies beside `destination` (a rename is atomic within one file
    system only). An error inside the block removes it, and whatever stood at
    `destination` stays as it was; without one, it is replaced.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=destination.parent, prefix=f".{destination.name}-", ignore_cleanup_errors=True
    ) as scratch:
        new, old = Path(scratch, "new"), Path(scratch, "old")
        new.mkdir()
        yield new
        # A folder cannot be renamed over one that holds files.
        with contextlib.suppress(FileNotFoundError):
            destination.rename(old)
        try:
            new.rename(destination)
        except OSError:
            if old.exists():
                shutil.move(old, destination)
            raise


def begins(path: Path, file: str, title: str) -> bool:
    """Whether `path` is a folder whose `file` begins with `title`, or an empty one."""
    if not path.is_dir():
        return False
    marked = path / file
    if marked.is_file():
        return marked.read_text(encoding="utf-8", errors="replace").startswith(title)
    return not any(path.iterdir())
