"""Series of numbers in memory that several processes may map: each writes its own file and reads all.

An anonymous file and not one in a folder: it cannot meet a full disk (a write to
a mapped page would end the process), no cleaner of folders removes it, and it outlives the
process that writes it as long as the supervisor holds it.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from typing import Final

# Of the file, which takes memory for the pages that are written alone: some 300,000 series of one number.
_BYTES: Final = 32 << 20
# Before each series: bytes of the whole, of its key, and how many numbers it has.
_HEAD: Final = struct.Struct("=IHH")
_START: Final = 8
# Keys are filled up to this many bytes, so that one series can take the place of another.
_ROUND: Final = 64


class SeriesFile:
    """Series by key, each a fixed number of float64.

    Args:
      descriptor: of an anonymous file; None makes one.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = os.memfd_create("metrics") if descriptor is None else descriptor
        if os.fstat(self.descriptor).st_size < _BYTES:
            os.ftruncate(self.descriptor, _BYTES)
        self._map = mmap.mmap(self.descriptor, _BYTES)
        view = memoryview(self._map)
        self._used = view.cast("Q")
        self.numbers = view.cast("d")
        self._places: dict[bytes, int] = {}
        self._free: dict[tuple[int, int], list[int]] = {}
        for key, at, _ in self._entries():
            self._places[key] = at

    def place(self, key: bytes, count: int) -> int | None:
        """Index in `numbers` of the first of a series' `count` numbers; new ones are 0.

        None if the file is full, or the key longer than 65,535 bytes: the series is not kept.
        """
        at = self._places.get(key)
        if at is None:
            at = self._make(key, count)
            if at is None:
                return None
            self._places[key] = at
        return self._numbers_at(at)

    def remove(self, key: bytes) -> None:
        """Forgets a series; its place goes to the next one of its size."""
        at = self._places.pop(key, None)
        if at is None:
            return
        size, _, count = _HEAD.unpack_from(self._map, at)
        _HEAD.pack_into(self._map, at, size, 0, count)
        self._free.setdefault((size, count), []).append(at)

    def read(self) -> Iterator[tuple[bytes, list[float]]]:
        """Every series with its numbers, as they are now; also of a file that another process writes."""
        for key, at, count in self._entries():
            first = self._numbers_at(at)
            yield key, list(self.numbers[first : first + count])

    def _entries(self) -> Iterator[tuple[bytes, int, int]]:
        at, end = _START, self._used[0]
        while at < end:
            size, length, count = _HEAD.unpack_from(self._map, at)
            if length:
                yield self._map[at + _HEAD.size : at + _HEAD.size + length], at, count
            at += size

    def _numbers_at(self, at: int) -> int:
        size, _, count = _HEAD.unpack_from(self._map, at)
        return (at + size) // 8 - count

    def _make(self, key: bytes, count: int) -> int | None:
        size = _HEAD.size + -(-len(key) // _ROUND) * _ROUND + 8 * count
        free = self._free.get((size, count))
        at = free.pop() if free else max(self._used[0], _START)
        if len(key) > 0xFFFF or count > 0xFFFF or at + size > _BYTES:
            return None
        first = (at + size) // 8 - count
        for index in range(first, first + count):
            self.numbers[index] = 0.0
        self._map[at + _HEAD.size : at + _HEAD.size + len(key)] = key
        # The head last: a reader meets a whole series or none.
        _HEAD.pack_into(self._map, at, size, len(key), count)
        self._used[0] = max(self._used[0], at + size)
        return at
