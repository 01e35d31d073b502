"""Text file, gzipped or not -> blocks of whole lines, each with the number of its first line.

A block is what is parsed at once, so memory does not grow with the file, and a
bad row's line number needs no second walk through the file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import zlib
from collections.abc import Iterator
from typing import IO, Final

import numpy as np

from components.example_gen.errors import DataError
from components.example_gen.reading.places import Place

BLOCK_BYTES: Final = 16 << 20

_GZIP = b"\x1f\x8b"
# Files that are no text, by their first bytes.
_NOT_TEXT: Final = {
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
    b"PK\x03\x04": "is a zip archive; unpack it first",
    b"PAR1": "is a Parquet file; name it *.parquet",
    b"BZh91AY&SY": "is bzip2; unpack it, or use gzip",
    b"\x28\xb5\x2f\xfd": "is zstd; unpack it, or use gzip",
}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclasses.dataclass(frozen=True)
class Block:
    """Whole records, as UTF-8 or what should be; every line ends in one line feed.

    Attributes:
      line: number of the first line in the file, 1 and up.
      data: the bytes.
    """

    line: int
    data: bytes


@dataclasses.dataclass(frozen=True)
class Span:
    """A part of a file that can be read by itself.

    Attributes:
      start, end: bytes of a text file, at line ends that are ends of records too (`start` may be
        0); row groups of a Parquet file. end None: until the end of the file.
      line: number of its first line, or row of a Parquet file.
    """

    start: int = 0
    end: int | None = None
    line: int = 1


WHOLE: Final = Span()


@dataclasses.dataclass(frozen=True)
class BadLine:
    """A line that no parser shall see."""

    line: int
    kind: str
    reason: str


LONG_LINE: Final = "over-long line"
OPEN_QUOTE: Final = "open quote"


def blocks(
    path: Place,
    *,
    latin1: bool,
    quoted: bool,
    max_line_bytes: int,
    block_bytes: int = BLOCK_BYTES,
    span: Span = WHOLE,
) -> Iterator[Block | BadLine]:
    """Cuts a file at ends of records; nothing of it is lost.

    A byte order mark goes; CRLF and lone CR become LF; a last line without an end
    gets one.

    Args:
      path: local file; gzip is known by its first bytes, whatever the name.
      latin1: whether the file is in Latin-1 rather than UTF-8.
      quoted: whether line ends inside double quotes belong to a value.
      max_line_bytes: a longer line is a BadLine.
      block_bytes: what is read at once.
      span: what of it; of a gzip file WHOLE.

    Raises:
      DataError: no text file, or a gzip file that is cut off or damaged.
    """
    line, carry, skipping = span.line, b"", False
    for chunk in chunks(path, block_bytes, span):
        data = carry + chunk
        if skipping:
            end = data.find(b"\n")
            if end < 0:
                carry = b""
                continue
            data, line, skipping = data[end + 1 :], line + 1, False
        carry = b""
        while data:
            records, bad, rest = _next(data, quoted, max_line_bytes)
            if records:
                yield Block(line, records.decode("latin-1").encode() if latin1 else records)
                line += records.count(b"\n")
            if bad is None:
                carry = rest
                break
            yield BadLine(line, *bad)
            if b"\n" in rest:
                data, line = rest[rest.index(b"\n") + 1 :], line + 1
            else:
                skipping = True
                break
    # Every line has its end by now, so what is left is inside a quote.
    while carry:
        yield BadLine(line, OPEN_QUOTE, "a double quote that is not closed before the end of the file")
        carry, line = carry[carry.index(b"\n") + 1 :], line + 1
        records, _, rest = _next(carry, quoted, max_line_bytes)
        if records:
            yield Block(line, records.decode("latin-1").encode() if latin1 else records)
            line += records.count(b"\n")
        carry = rest


def head(path: Place, size: int = 1 << 16) -> bytes:
    """The first bytes of a file, unpacked, without byte order mark, with LF line ends.

    Raises:
      DataError: as `blocks`.
    """
    return next(chunks(path, size), b"")


def is_gzip(path: Place) -> bool:
    """Whether a file is gzipped, by its first bytes.

    Raises:
      DataError: it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(_GZIP)) == _GZIP
    except OSError as error:
        raise DataError(path.name, f"cannot be opened: {error.strerror or error}") from error


def record_ends(data: bytes, quoted: bool) -> np.ndarray:
    """int64[...]: positions after each line end that is not inside quotes."""
    array = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(array == 10)
    if quoted and b'"' in data:
        before = np.searchsorted(np.flatnonzero(array == 34), ends)
        ends = ends[before % 2 == 0]
    return ends + 1


def _next(data: bytes, quoted: bool, max_line_bytes: int) -> tuple[bytes, tuple[str, str] | None, bytes]:
    """(whole records from the start, what is wrong with the line after them if anything, the rest)."""
    starts = np.concatenate([[0], np.flatnonzero(np.frombuffer(data, np.uint8) == 10) + 1])
    lengths = np.diff(np.append(starts, len(data)))
    long = np.flatnonzero(lengths > max_line_bytes + 1)  # the line end does not count
    until = int(starts[long[0]]) if long.size else len(data)
    ends = record_ends(data[:until], quoted)
    cut = int(ends[-1]) if ends.size else 0
    rest = data[cut:]
    if cut < until and (long.size or until - cut > max_line_bytes) and b"\n" in data[cut:until]:
        reason = f"a double quote that is not closed within {max_line_bytes:,} bytes"
        return data[:cut], (OPEN_QUOTE, reason), rest
    if long.size:
        return data[:cut], (LONG_LINE, f"a line longer than {max_line_bytes:,} bytes"), rest
    return data[:cut], None, rest


def chunks(path: Place, size: int, span: Span = WHOLE) -> Iterator[bytes]:
    """The text of a file or of a span of it with LF line ends, the last one included."""
    held, first, last = b"", not span.start, b"\n"
    left = None if span.end is None else span.end - span.start
    with _open(path) as file:
        file.seek(span.start)
        while True:
            try:
                chunk = file.read(size if left is None else min(size, left))
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise DataError(
                    path.name, f"the gzip file is cut off or damaged ({error}); fetch it again"
                ) from error
            left = None if left is None else left - len(chunk)
            data = held + chunk
            # A CR at the end may be half of a CRLF.
            held = b"\r" if chunk and data.endswith(b"\r") else b""
            data = data[: len(data) - len(held)]
            if first and chunk:
                _require_text(path, data)
                data, first = data.removeprefix(_BYTE_ORDER_MARK), False
            if b"\r" in data:
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if data:
                last = data[-1:]
                yield data
            if not chunk:
                break
    if last != b"\n":
        yield b"\n"


@contextlib.contextmanager
def _open(path: Place) -> Iterator[IO[bytes]]:
    packed = is_gzip(path)
    with path.open("rb") as file:
        if not packed:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield unpacked  # type: ignore[misc]


def _require_text(path: Place, start: bytes) -> None:
    for signature, problem in _NOT_TEXT.items():
        if start.startswith(signature):
            raise DataError(path.name, problem)
    if b"\0" in start[:4096]:
        raise DataError(
            path.name, "holds zero bytes: it is binary, or UTF-16; expected text in UTF-8 or Latin-1"
        )
