"""What the processes of one server tell each other, in memory that all of them map.

Numbers are written by one process each and read by all, without a lock. What
does not fit a number (the config in force, versions that end a process) is one
JSON document under a lock that the kernel releases when its holder ends. It
lies in an anonymous file: no folder that can be full, swept or unreadable.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import time
from collections.abc import Iterator
from typing import Any, Final

# Numbers of each process: its pid (0: not running); CLOCK_MONOTONIC nanoseconds of its last sign of
# life; whether it has loaded its models; the config in force there (0: none yet, negative: not all of
# its models answer); how the last process of this number ended; how often it was started anew.
_FIELDS: Final = ("pid", "alive_at", "loaded", "config", "exit_code", "restarts")
# Numbers of the server: whether every process has answered, which document is in force, the newest config.
_COMMON: Final = ("ready", "document", "newest_config")
# The two documents' places, far apart: an anonymous file takes memory for what is written alone.
_PLACE: Final = 1 << 30
_LENGTH: Final = 8


class SharedState:
    """Numbers and a document shared by the processes of a server.

    Args:
      processes: how many there are.
      descriptor: of the file that another process made; None makes one.
    """

    def __init__(self, processes: int, descriptor: int | None = None) -> None:
        self.processes = processes
        self.descriptor = os.memfd_create("marquee-server") if descriptor is None else descriptor
        count = len(_COMMON) + processes * len(_FIELDS)
        size = -(-count * 8 // mmap.PAGESIZE) * mmap.PAGESIZE
        if os.fstat(self.descriptor).st_size < size:
            os.ftruncate(self.descriptor, size)
        self._numbers = memoryview(mmap.mmap(self.descriptor, size)).cast("q")

    def get(self, name: str, number: int = 0) -> int:
        """A number of the server or of one of its processes."""
        return self._numbers[self._index(name, number)]

    def set(self, name: str, value: int, number: int = 0) -> None:
        self._numbers[self._index(name, number)] = value

    def _index(self, name: str, number: int) -> int:
        if name in _COMMON:
            return _COMMON.index(name)
        return len(_COMMON) + number * len(_FIELDS) + _FIELDS.index(name)

    def ended(self, number: int, exit_code: int) -> None:
        """A process has ended."""
        self.set("exit_code", exit_code, number)
        for name in ("pid", "alive_at", "loaded", "config"):
            self.set(name, 0, number)

    def silent_seconds(self, number: int) -> float:
        """Seconds since a process gave its last sign of life; 0 if it has not given any yet."""
        last = self.get("alive_at", number)
        return (time.monotonic_ns() - last) / 1e9 if last else 0.0

    @contextlib.contextmanager
    def document(self) -> Iterator[dict[str, Any]]:
        """The document, to be read and changed; nothing may be awaited meanwhile.

        An error inside the block leaves it as it was.
        """
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX)
        try:
            place = self.get("document")
            found = self._read(place)
            before = json.dumps(found)
            yield found
            if (after := json.dumps(found)) != before:
                # Written beside the old one, then put in force: a process that ends halfway harms neither.
                raw = after.encode()
                os.pwrite(self.descriptor, len(raw).to_bytes(_LENGTH, "little") + raw, _PLACE * (2 - place))
                self.set("document", 1 - place)
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)

    def _read(self, place: int) -> dict[str, Any]:
        at = _PLACE * (1 + place)
        length = int.from_bytes(os.pread(self.descriptor, _LENGTH, at), "little")
        found: dict[str, Any] = json.loads(os.pread(self.descriptor, length, at + _LENGTH)) if length else {}
        return found
