"""A disk of some kilobytes, to be filled."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[Path]:
    """A file system of its own at a new folder; skips the test where none may be mounted."""
    folder.mkdir()
    size = f"size={kibibytes}k"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "none", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"NOT CHECKED: no right to mount a file system here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def grow(folder: Path, kibibytes: int) -> None:
    """Makes room."""
    subprocess.run(["mount", "-o", f"remount,size={kibibytes}k", str(folder)], check=True)


def leave(folder: Path, kibibytes: int) -> Path:
    """A file that leaves so many kibibytes free."""
    filler = folder / "filler"
    free = int(subprocess.check_output(["df", "--output=avail", "-k", folder], text=True).split()[1])
    with filler.open("wb") as file:
        file.write(bytes((free - kibibytes) << 10))
    return filler


def fill(folder: Path) -> Path:
    """A file that leaves nothing free, also where others write meanwhile."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)) == 4096:
            pass
    return filler
