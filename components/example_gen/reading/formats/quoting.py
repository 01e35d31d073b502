"""Which line ends are inside double quotes, by the rule of Arrow's parser and of Python's `csv`.

A quote opens a value only where the value begins; two in a row inside it stand for one; whatever
follows the closing one belongs to the value. So a quote inside a value that does not begin with one is
a character like any other.
"""

from __future__ import annotations

import functools
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def open_lines(data: bytes, starts: np.ndarray, delimiter: str) -> np.ndarray:
    """Positions in `starts` of the lines that, read by themselves, end inside quotes.

    Args:
      data: whole lines, each with its line feed.
      starts: int64[lines], where each begins.
    """
    lines = _unusual_lines(data, starts, delimiter)
    if not lines.size:
        return lines
    bounds = pa.py_buffer(np.append(starts, len(data)).astype(np.int64))
    text = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(starts), [None, bounds, pa.py_buffer(data)]
    ).take(pa.array(lines))
    closed = pc.match_substring_regex(text, _record(delimiter))
    return lines[~closed.to_numpy(zero_copy_only=False)]


def _unusual_lines(data: bytes, starts: np.ndarray, delimiter: str) -> np.ndarray:
    """The lines whose quotes are not all in pairs around whole values; all others are closed."""
    text = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    if not quotes.size:
        return quotes
    before = np.searchsorted(quotes, np.append(starts, len(data)))
    of_line = np.diff(before)
    opening = (np.arange(len(quotes)) - np.repeat(before[:-1], of_line)) % 2 == 0
    # Before the first byte there is the last, which is a line feed.
    beside = text[np.where(opening, quotes - 1, quotes + 1)]
    inside = quotes[(beside != ord(delimiter)) & (beside != ord("\n"))]
    return np.union1d(np.flatnonzero(of_line % 2), np.searchsorted(starts, inside, side="right") - 1)


def record_end(data: bytes, start: int, limit: int, delimiter: str) -> int | None:
    """Where the record that begins at `start` ends, behind its line feed; None: not before `limit`."""
    found = _python_record(delimiter).match(data, start, limit)
    return found.end() if found else None


@functools.cache
def _record(delimiter: str, possessive: str = "") -> str:
    # Python's engine would try every way to read a value that is not closed; possessive, it tries one.
    other, more = re.escape(delimiter), f"*{possessive}"
    rest = rf'(?:[^"{other}\n][^{other}\n]{more})'
    quoted = rf'"(?:[^"]|""){more}"{rest}?'
    value = f"(?:{quoted}|{rest}|)"
    return rf"^{value}(?:{other}{value}){more}\n"


@functools.cache
def _python_record(delimiter: str) -> re.Pattern[bytes]:
    return re.compile(_record(delimiter, "+").removeprefix("^").encode())
