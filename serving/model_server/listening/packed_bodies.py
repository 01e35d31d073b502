"""Bodies of requests that came packed: unpacked part by part, for a few bytes may unpack to any number."""

from __future__ import annotations

import zlib
from typing import Final

# What bodies may be packed by, as HTTP names it (RFC 9110, 8.4.1).
ENCODINGS: Final = ("gzip", "deflate")
# zlib's numbers for the window and the format around the packed bytes.
_GZIP, _ZLIB, _BARE = 31, 15, -15
_DEFLATED: Final = 8  # the method in a zlib header's first byte
_FED: Final = 4096  # bytes at a time
# Of one body. A member costs some microseconds, whatever it holds: a body of empty ones is work for nothing.
_MOST_MEMBERS: Final = 1000


class Unpacker:
    """Unpacks one body, in time that grows with the bytes of both sides alone.

    Args:
      body: all of it.
      encoding: one of ENCODINGS.
    """

    def __init__(self, body: bytes, encoding: str) -> None:
        bare = bool(body) and body[0] & 0xF != _DEFLATED  # as some clients send what they call deflate
        self._format = _GZIP if encoding == "gzip" else _BARE if bare else _ZLIB
        self._body = memoryview(body)
        self._at = 0
        self._stream = zlib.decompressobj(self._format)
        self._members = 1
        self.ended = False

    def part(self, size: int) -> bytes:
        """What comes next, at most so many bytes; `ended` says whether it was the last of it.

        Raises:
          ValueError: the bytes are not packed so, end before their end, or are in too many members.
        """
        part = bytearray()
        while len(part) < size and not self.ended:
            part += self._next(size - len(part))
        return bytes(part)

    def _next(self, size: int) -> bytes:
        # A slice: zlib copies what it leaves of its input.
        fed = self._body[self._at : self._at + _FED]
        try:
            made = self._stream.decompress(fed, size)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        stream = self._stream
        self._at += len(fed) - len(stream.unused_data if stream.eof else stream.unconsumed_tail)
        if stream.eof:
            self.ended = self._at == len(self._body)
            if not self.ended:  # gzip: several may follow each other
                self._members += 1
                if self._members > _MOST_MEMBERS:
                    raise ValueError(f"it has more than {_MOST_MEMBERS:,} members")
                self._stream = zlib.decompressobj(self._format)
        elif not fed and not made:
            raise ValueError("it ends before its packed bytes do")
        return made
