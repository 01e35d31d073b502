"""Text file, compressed or not -> blocks of whole records, each with the numbers of its lines.

A block is what is parsed at once, so memory does not grow with the file, and a
bad row's line number needs no second walk through the file.
"""

from __future__ import annotations

import codecs
import dataclasses
import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from components.example_gen.errors import DataError
from components.example_gen.reading.formats import packing, quoting
from components.example_gen.reading.places import Place

BLOCK_BYTES: Final = 16 << 20
# Stands for a delimiter of several characters: Arrow takes one byte.
UNIT_SEPARATOR: Final = "\x1f"

# Files that are no text, by their first bytes.
_NOT_TEXT: Final = {
    b"PAR1": "is a Parquet file and is read as text; example_gen.layout must be auto or parquet",
    b"PK\x03\x04": "is a sheet or an archive and is read as text; example_gen.layout must be auto or sheet",
    b"\xd0\xcf\x11\xe0": "is a sheet and is read as text; example_gen.layout must be auto or sheet",
    b"%PDF": "is a PDF; expected a table",
}
# Files say so themselves, so no description has to.
UTF16: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_WIDE: Final = ("utf-16", "utf-32")  # whose line ends are no single bytes
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclasses.dataclass(frozen=True)
class Block:
    """Whole records, as UTF-8 or what should be; every line ends in one line feed.

    Attributes:
      line: number of the first line in the file, 1 and up.
      data: the bytes, with one byte between columns.
      starts: int64[records], where in `data` each record begins. A blank line is none.
      lines: int64[records], the number of the line on which it begins.
      joined: whether a record goes over several lines.
    """

    line: int
    data: bytes
    starts: np.ndarray
    lines: np.ndarray
    joined: bool


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
    encoding: str = "utf-8",
    quoted: bool,
    max_line_bytes: int,
    delimiter: str = ",",
    comment: str | None = None,
    head_comment: str | None = None,
    above: int = 0,
    block_bytes: int = BLOCK_BYTES,
    span: Span = WHOLE,
) -> Iterator[Block | BadLine]:
    """Cuts a file at ends of records; nothing of it is lost.

    A byte order mark goes; CRLF and lone CR become LF; a last line without an end
    gets one. The line of a quote that is not closed in time is bad, and the next one
    is read as if that quote had not been there.

    Args:
      path: local file; compression and UTF-16 are known by its first bytes, whatever the name.
      encoding: of its bytes.
      quoted: whether line ends inside double quotes belong to a value.
      max_line_bytes: a longer line is a BadLine, and so is the first line of a longer record.
      delimiter: between the columns. One of several characters becomes UNIT_SEPARATOR; of " "
        (any blanks) one is left, and none at the ends of a line.
      comment: what a line begins with that is none; it reads as a blank one.
      head_comment: the same of the lines before the first other one.
      above: so many first lines of the file read as blank ones.
      block_bytes: what is read at once.
      span: what of it; of a compressed file or one in UTF-16 WHOLE.

    Raises:
      DataError: no text file, or a compressed file that is cut off or damaged.
    """
    line, rest, skipping = span.line, b"", False
    between = one_byte(delimiter)
    for chunk in chunks(path, block_bytes, span, encoding):
        data = rest + chunk
        if skipping:
            end = data.find(b"\n") + 1
            data, line, skipping = data[end:], line + bool(end), not end
        rest = b""
        if skipping:
            continue
        whole = data.rfind(b"\n") + 1
        lines = data[:whole]
        if above and not span.start:
            here = lines.split(b"\n", above)[:-1]
            lines = b"\n" * len(here) + lines[sum(map(len, here)) + len(here) :]
            above -= len(here)
        if comment is not None:
            lines = re.sub(_comment(comment), b"", lines, flags=re.MULTILINE)
        if head_comment is not None and not span.start:
            head_ = re.match(rb"(?:(?:%b)?\n)*" % _comment(head_comment).removeprefix(b"^"), lines)
            assert head_
            if head_.end() < len(lines):
                head_comment = None
            lines = b"\n" * head_[0].count(b"\n") + lines[head_.end() :]
        data = _one_byte_between(lines, delimiter) + data[whole:]
        cut = _Cut(data, between if quoted else None, max_line_bytes)
        yield from cut.parts(line)
        line, rest = line + cut.taken, data[cut.end :]
        if len(rest) > max_line_bytes and cut.at_last_line:
            yield BadLine(line, LONG_LINE, f"a line longer than {max_line_bytes:,} bytes")
            rest, skipping = b"", True
    # Every line has its end by now, so what is left begins with a quote that is not closed.
    cut = _Cut(rest, between if quoted else None, max_line_bytes, at_end=True)
    yield from cut.parts(line)


def one_byte(delimiter: str) -> str:
    """What stands between the columns of a block: a byte, which is all that Arrow takes."""
    return UNIT_SEPARATOR if len(delimiter.encode()) > 1 else delimiter


def head(path: Place, size: int = 1 << 16, encoding: str = "utf-8") -> bytes:
    """The first bytes of a file, unpacked, without byte order mark, with LF line ends.

    Raises:
      DataError: as `blocks`.
    """
    return next(chunks(path, size, encoding=encoding), b"")


def in_spans(path: Place, encoding: str) -> bool:
    """Whether a file's line ends can be found in its bytes, so that it can be read in spans.

    Raises:
      DataError: it cannot be opened.
    """
    if encoding.startswith(_WIDE):
        return False
    return packing.packing(path) is None and packing.first_bytes(path, 2) not in UTF16


def chunks(path: Place, size: int, span: Span = WHOLE, encoding: str = "utf-8") -> Iterator[bytes]:
    """The text of a file or of a span of it as UTF-8 with LF line ends, the last one included.

    What is none of `encoding` is no UTF-8 here either.
    """
    held, first, last = b"", not span.start, b"\n"
    left = None if span.end is None else span.end - span.start
    decoder: codecs.IncrementalDecoder | None = None
    with packing.unpacked(path) as file:
        file.seek(span.start)
        while True:
            chunk = file.read(size if left is None else min(size, left))
            at_end = not chunk
            left = None if left is None else left - len(chunk)
            if first and chunk:
                encoding = UTF16.get(chunk[:2], encoding)
                _require_text(path, chunk, encoding)
            if decoder is None and encoding != "utf-8" and chunk:
                # Neither survives as UTF-8, so the cells that such bytes are in are bad ones.
                errors = "surrogatepass" if encoding.startswith(_WIDE) else "surrogateescape"
                decoder = codecs.getincrementaldecoder(encoding)(errors)
            if decoder is not None:
                chunk = _as_utf8(path, decoder, chunk)
            data = held + chunk
            # A CR at the end may be half of a CRLF.
            held = b"\r" if not at_end and data.endswith(b"\r") else b""
            data = data[: len(data) - len(held)]
            if first and data:
                data, first = data.removeprefix(_BYTE_ORDER_MARK), False
            if b"\r" in data:
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if data:
                last = data[-1:]
                yield data
            if at_end:
                break
    if last != b"\n":
        yield b"\n"


def _as_utf8(path: Place, decoder: codecs.IncrementalDecoder, chunk: bytes) -> bytes:
    try:
        return decoder.decode(chunk, final=not chunk).encode("utf-8", "surrogatepass")
    except UnicodeError as error:
        raise DataError(
            path.name, f"cannot be decoded ({error}); it is cut off, or of another example_gen.encoding"
        ) from error


def line_starts(data: bytes) -> np.ndarray:
    """int64[lines]: where each line of `data` begins that has an end."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    return np.append(0, ends)[: len(ends)]


def count_lines(path: Place, span: Span, delimiter: str | None) -> tuple[int, bool]:
    """The lines of a span, and whether one of them, read by itself, ends inside quotes.

    Args:
      delimiter: of quoted values; None: quotes are characters like any others.
    """
    lines, joined, rest = 0, False, b""
    for chunk in chunks(path, BLOCK_BYTES, span):
        data = rest + chunk
        whole = data.rfind(b"\n") + 1
        data, rest = data[:whole], data[whole:]
        lines += data.count(b"\n")
        if delimiter is not None and not joined:
            joined = bool(quoting.open_lines(data, line_starts(data), delimiter).size)
    return lines, joined


class _Cut:
    """Text -> blocks of records and bad lines, as far as it can be told.

    Args:
      data: lines, the last one perhaps without its end.
      delimiter: of quoted values; None: a quote is a character like any other.
      max_line_bytes: see `blocks`.
      at_end: whether no more is to come.

    Attributes:
      taken: number of lines of which all is known.
      end: where they end.
    """

    def __init__(self, data: bytes, delimiter: str | None, max_line_bytes: int, at_end: bool = False) -> None:
        self._data = data
        self._starts = line_starts(data)
        self._bounds = np.append(self._starts, data.rfind(b"\n") + 1)
        lengths = np.diff(self._bounds) - 1
        self._first = lengths > 0  # whether a record begins on the line
        self._joined = np.zeros(len(lengths), bool)
        self._bad = dict.fromkeys(
            np.flatnonzero(lengths > max_line_bytes).tolist(),
            (LONG_LINE, f"a line longer than {max_line_bytes:,} bytes"),
        )
        self.taken = len(lengths)
        if delimiter is not None:
            self._join(delimiter, max_line_bytes, at_end)
        self.end = int(self._bounds[self.taken])

    @property
    def at_last_line(self) -> bool:
        """Whether all whole lines are taken."""
        return self.taken == len(self._starts)

    def parts(self, line: int) -> Iterator[Block | BadLine]:
        """Everything, in order; `line` is the number of the first line."""
        before = 0
        for bad in [*sorted(self._bad), self.taken]:
            if bad > self.taken:
                break
            if bad > before:
                yield self._block(before, bad, line)
            if bad < self.taken:
                yield BadLine(line + bad, *self._bad[bad])
            before = bad + 1

    def _join(self, delimiter: str, max_line_bytes: int, at_end: bool) -> None:
        """Finds the records that go over several lines, and the quotes that are not closed."""
        after = 0
        whole = self._data[: self._bounds[-1]]
        for line in quoting.open_lines(whole, self._starts, delimiter).tolist():
            if line < after or line in self._bad:
                continue
            start = int(self._starts[line])
            limit = start + max_line_bytes + 1
            end = quoting.record_end(self._data, start, limit, delimiter)
            if end is not None:
                after = int(np.searchsorted(self._starts, end))
                self._first[line + 1 : after] = False
                self._joined[line] = True
            elif at_end or len(self._data) >= limit:
                until = "before the end of the file" if at_end else f"within {max_line_bytes:,} bytes"
                self._bad[line] = (OPEN_QUOTE, f"a double quote that is not closed {until}")
            else:
                self.taken = line
                return

    def _block(self, first: int, last: int, line: int) -> Block:
        """The lines first ... last - 1."""
        start, end = int(self._bounds[first]), int(self._bounds[last])
        begins = np.flatnonzero(self._first[first:last])
        return Block(
            line + first,
            self._data[start:end],
            self._starts[first:last][begins] - start,
            line + first + begins,
            bool(self._joined[first:last].any()),
        )


def _one_byte_between(data: bytes, delimiter: str) -> bytes:
    """Whole lines with a delimiter that Arrow can take; once more changes nothing."""
    if (instead := one_byte(delimiter)) != delimiter:
        return data.replace(delimiter.encode(), instead.encode())
    if delimiter == " " and re.search(rb"\t|  | \n|^ |\n ", data):
        data = re.sub(rb"[ \t]+", b" ", data)
        return re.sub(rb"^ | $", b"", data, flags=re.MULTILINE)
    return data


def _comment(start: str) -> bytes:
    """Pattern of a comment, for every line where it is MULTILINE."""
    return rb"^%b[^\n]*" % re.escape(start.encode())


def _require_text(path: Place, start: bytes, encoding: str) -> None:
    for signature, problem in _NOT_TEXT.items():
        if start.startswith(signature):
            raise DataError(path.name, problem)
    if b"\0" in start[:4096] and not encoding.startswith(_WIDE):
        raise DataError(
            path.name,
            "holds zero bytes: it is binary, or UTF-16 without a byte order mark (example_gen.encoding: "
            "utf-16-le or utf-16-be); expected text",
        )
