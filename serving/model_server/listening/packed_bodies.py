"""Bodies of requests that came packed: unpacked part by part, for a few bytes may unpack to any number."""

from __future__ import annotations

import zlib
from typing import Final

# What bodies may be packed by, as HTTP names it (RFC 9110, 8.4.1).
ENCODINGS: Final = ("gzip", "deflate")
# zlib's numbers for the window and the format around the packed bytes.
_GZIP, _ZLIB, _BARE = 31, 15, -15
_DEFLATED: Final = 8  # the method in a zlib header's first byte


class Unpacker:
    """Unpacks one body.

    Args:
      body: all of it.
      encoding: one of ENCODINGS.
    """

    def __init__(self, body: bytes, encoding: str) -> None:
        bare = bool(body) and body[0] & 0xF != _DEFLATED  # as some clients send what they call deflate
        self._format = _GZIP if encoding == "gzip" else _BARE if bare else _ZLIB
        self._rest = body
        self._stream = zlib.decompressobj(self._format)
        self.ended = False

    def part(self, size: int) -> bytes:
        """What comes next, at most so many bytes; `ended` says whether it was the last of it.

        Raises:
          ValueError: the bytes are not packed so, or end before their end.
        """
        part = bytearray()
        try:
            while len(part) < size:
                part += self._stream.decompress(self._rest, size - len(part))
                if not self._stream.eof:
                    self._rest = self._stream.unconsumed_tail
                    if not self._rest and len(part) < size:
                        raise ValueError("it ends before its packed bytes do")
                elif self._stream.unused_data:  # gzip: several may follow each other
                    self._rest = self._stream.unused_data
                    self._stream = zlib.decompressobj(self._format)
                else:
                    self.ended = True
                    break
        except zlib.error as error:
            raise ValueError(str(error)) from error
        return bytes(part)
