"""The wall clock of a process and its children, to be set; time that passes is left alone."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

import pytest


class Clock:
    """Moves the clock of whoever is started with `environment`.

    Args:
      folder: for what is compiled; the test is skipped where there is no C compiler.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("NOT CHECKED: no C compiler, and so no clock that can be set")
        library, offset = folder / "clock.so", folder / "clock"
        source = Path(__file__).with_suffix(".c")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        offset.write_bytes(bytes(8))
        with offset.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), 8)
        self.environment = {"LD_PRELOAD": str(library), "TEST_CLOCK_OFFSET": str(offset)}

    def set(self, seconds: int) -> None:
        """The clock is so many seconds before (or, below 0, behind) the machine's."""
        self._offset[:] = struct.pack("l", seconds)
