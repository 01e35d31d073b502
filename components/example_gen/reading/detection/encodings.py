"""The encoding of a text file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from components.example_gen.errors import DataError
from components.example_gen.reading import text_blocks
from components.example_gen.reading.formats import packing
from components.example_gen.reading.places import Place

_SAMPLE_BYTES: Final = 4 << 20
_PIECE: Final = 1 << 18  # bytes that charset-normalizer gets
# Bytes that are letters in Windows-1252 and controls in Latin-1.
_WINDOWS: Final = re.compile(rb"[\x80-\x9f]")
# In Western words letters beyond ASCII stand alone or in pairs, in Cyrillic ones all are beyond it.
_ABOVE: Final = re.compile(rb"[\x80-\xff]")
_RUNS: Final = re.compile(rb"[\xc0-\xff]{3,}")


def encoding_of(path: Place) -> str:
    """UTF-8 where most lines beyond ASCII are, else UTF-16, Windows-1252 or Latin-1.

    Raises:
      DataError: the text is none of these, such as one in Cyrillic letters of a byte each.
    """
    data = _sample(path)
    if data[:2] in text_blocks.UTF16:
        return text_blocks.UTF16[data[:2]]
    pairs = len(data) // 2
    for name, zeros in (("utf-16-le", data[1::2]), ("utf-16-be", data[0::2])):
        if pairs and zeros.count(0) > 0.3 * pairs:
            return name
    if mostly_utf8([data]):
        return "utf-8"
    if sum(map(len, _RUNS.findall(data))) > 0.5 * len(_ABOVE.findall(data)):
        raise DataError(
            path.name, f"is no UTF-8{_suggestion(data)}; set example_gen.encoding to what it was written in"
        )
    return "cp1252" if _WINDOWS.search(data) else "latin-1"


def word_beyond_ascii(path: Place) -> str | None:
    """The first word of a file in UTF-8 that has other letters than ASCII's."""
    found = re.search(rb"\w*[\xc2-\xf4][\x80-\xbf]+\w*", _sample(path))
    return found[0].decode("utf-8", "replace") if found else None


def mostly_utf8(blocks: Iterable[bytes]) -> bool:
    """Whether most lines beyond ASCII are UTF-8: one that is not is a bad line, many are an encoding."""
    good = bad = 0
    for data in blocks:
        if data.isascii():
            continue
        for line in data.split(b"\n"):
            if not line.isascii():
                try:
                    line.decode()
                    good += 1
                except UnicodeDecodeError:
                    bad += 1
    return good >= bad


def _sample(path: Place) -> bytes:
    """The first bytes, unpacked, up to the end of a line."""
    with packing.unpacked(path) as file:
        data = file.read(_SAMPLE_BYTES)
        while len(data) < _SAMPLE_BYTES and (more := file.read(_SAMPLE_BYTES - len(data))):
            data += more
    return data[: data.rfind(b"\n") + 1] if len(data) == _SAMPLE_BYTES else data


def _suggestion(data: bytes) -> str:
    import charset_normalizer

    best = charset_normalizer.from_bytes(data[:_PIECE]).best()
    return f" and looks like {best.encoding}" if best else ""
