"""Text with a delimiter between the columns: which one, and whether the first line is a header."""

from __future__ import annotations

import collections
import csv
import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import Final

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.formats import delimited
from components.example_gen.reading.source import Delimited

# Of those that cut every line alike, the first with the most columns; the last two are in texts too.
_TWO: Final = ("::", "||", "|~", "~|", "^|", ";;", "##", "@@", "$$")
_DELIMITERS: Final = ("\t", *_TWO, ";", "|", ",", "\x01", "^", "~")
_LAST: Final = (" ", ":")
_ALIKE: Final = 0.9  # of the lines
_LINES: Final = 300
_COMMENTS: Final = "#%"
_TITLES: Final = 10  # lines of a title at most
_EXCEL: Final = re.compile(r"sep=(.)\r?", re.IGNORECASE)  # how a first line tells Excel the delimiter
_WORDS: Final = re.compile(r'"(?:[^"]|"")*"(?=\s|$)|\S+')  # between blanks, unless these are in quotes
_COMMA: Final = re.compile(r"[+-]?\d+,\d+")
_POINT: Final = re.compile(r"[+-]?\d+(\.\d+)?")


def describe(text: str, params: ExampleGenParams, wanted: Sequence[str], encoding: str) -> Delimited:
    """The format of a file.

    Args:
      text: its beginning, with LF line ends.
      wanted: names of columns that are asked for; all numbers: columns of a file without a header.
    """
    all_lines = text.split("\n")[: _LINES + 1]
    lines = [line for line in all_lines if line.strip()]
    head_comment = None if params.comment else _comment(lines, wanted)
    remarks = list(itertools.takewhile(lambda line: line.startswith(head_comment or "\n"), lines))
    lines = [line for line in lines[len(remarks) :] if not line.startswith(params.comment or "\n")]
    excel = _EXCEL.fullmatch(lines[0]) if lines else None
    delimiter = params.delimiter or (excel[1] if excel else delimiter_of(lines, wanted))
    # Where a header follows, so that of several files one without the title is no silent loss.
    headless = bool(params.names) or (bool(wanted) and all(name.isdecimal() for name in wanted))
    title = 0 if remarks or headless else (1 if excel else _title(lines, delimiter))
    above = 0
    if title:
        above = next(n for n, line in enumerate(all_lines) if line is lines[title])
        lines = lines[title:]
        delimiter = params.delimiter or (excel[1] if excel else delimiter_of(lines, wanted))
    plain = len(delimiter.encode()) > 1 or (delimiter in "\t " and not _all_quoted(lines, delimiter))
    quoted = not plain if params.quoted is None else params.quoted
    format_ = Delimited(delimiter, None, quoted, encoding, params.comment, head_comment, above)
    rows = fields(lines, format_)
    decimal = params.decimal or (_decimal(rows) if delimiter != "," else ".")
    names = params.names or _names(rows, wanted) or _commented(remarks, format_, rows, wanted)
    if names and rows and all(len(row) == len(names) + 1 and not row[-1].strip() for row in rows):
        names = (*names, "")
    return dataclasses.replace(format_, names=names or None, decimal=decimal)


def fields(lines: Sequence[str], format_: Delimited) -> list[list[str]]:
    """The cells of lines, each read by itself."""
    if format_.delimiter == " ":
        return [_split(line, " ") for line in lines]
    if len(format_.delimiter.encode()) > 1 or not format_.quoted:
        return [line.split(format_.delimiter) for line in lines]
    return [row for row in delimited.records(format_, "\n".join(lines) + "\n") if row]


def delimiter_of(lines: Sequence[str], wanted: Sequence[str] = ()) -> str:
    """What is between the columns: what makes a header of the names that are wanted, or cuts lines alike."""
    if not lines:
        return ","
    if making := [d for d in (*_DELIMITERS, *_LAST) if wanted and set(wanted) <= set(_split(lines[0], d))]:
        return making[0]
    widths = {}
    for candidate in (*_DELIMITERS, *_LAST):
        width, share = _width(lines, candidate)
        if width > 1 and share >= _ALIKE:
            widths[candidate] = width
    # A header has as many names as rows have cells, or one less, as R writes it.
    cells = {name: len(_split(lines[0], name)) for name in widths}
    widths = {d: n for d, n in widths.items() if cells[d] > 1 and 0 <= n - cells[d] <= 1} or widths
    for doubled in [name for name in widths if len(name) == 2]:
        widths.pop(doubled[0], None)
        widths.pop(doubled[1], None)
    first = {name: width for name, width in widths.items() if name not in _LAST}
    return max(first or widths, key=lambda name: (first or widths)[name], default=",")


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return [_unquoted(cell) for cell in _WORDS.findall(line)]
    if len(delimiter.encode()) > 1 or delimiter == "\t":
        found = line.split(delimiter)
    else:
        found = next(delimited.records(Delimited(delimiter), line), [])
    return [re.sub(r":(token|float)(_seq)?$", "", name) for name in found]


def _unquoted(cell: str) -> str:
    return cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _all_quoted(lines: Sequence[str], delimiter: str) -> bool:
    """Whether the first line has each value in quotes, as R and databases write a header."""
    cells = (_WORDS.findall(lines[0]) if delimiter == " " else lines[0].split(delimiter)) if lines else []
    return len(cells) > 1 and all(cell != _unquoted(cell) for cell in cells)


def _width(lines: Sequence[str], delimiter: str) -> tuple[int, float]:
    """The most frequent number of columns, and the share of the lines that have it."""
    try:
        widths = collections.Counter(len(_split(line, delimiter)) for line in lines)
    except csv.Error:
        return 1, 0.0
    width, count = widths.most_common(1)[0]
    return width, count / len(lines)


def _title(lines: Sequence[str], delimiter: str) -> int:
    """How many first lines are a title: one cell alone, above lines of many columns."""
    width, share = _width(lines, delimiter) if lines else (1, 0.0)
    if (
        width < 2
        or sum(bool(cell.strip()) for cell in _split(lines[0], delimiter)) != 1
        or share < _ALIKE
        or delimiter in _LAST
    ):
        return 0
    for number, line in enumerate(lines[: _TITLES + 1]):
        cells = _split(line, delimiter)
        filled = sum(bool(cell.strip()) for cell in cells)
        if len(cells) > 1 and (filled > 1 or width < 3):
            return number
    return 0


def _comment(lines: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The character of comments at the head of a file; a row whose id begins with it is none."""
    if not lines or lines[0][0] not in _COMMENTS:
        return None
    first = lines[0][0]
    others = [line for line in lines if not line.startswith(first)]
    if not others:
        return None
    delimiter = delimiter_of(others)
    names = _split(lines[0][1:], delimiter)
    alike = len(names) == len(_split(others[0], delimiter))
    if alike and lines[0][1:].startswith(delimiter):
        return None  # the name of a column, of numbers of rows
    like_a_row = lines[0][1:2].isalnum() and alike
    return None if like_a_row and not set(wanted) & set(names) else first


def are_numbers_of_columns(row: Sequence[str]) -> bool:
    """Whether a first line numbers its columns, as pandas writes a table without names.

    Three cells or fewer may as well be a user, an item and a rating, but behind an empty one, which
    stands above the numbers of rows.
    """
    behind = len(row) > 1 and not row[0].strip()
    cells = list(row[1:] if behind else row)
    numbers = [str(number) for number in range(len(cells) + 1)]
    return (behind or len(cells) > 3) and cells in (numbers[:-1], numbers[1:])


def _names(rows: Sequence[Sequence[str]], wanted: Sequence[str]) -> tuple[str, ...]:
    """Numbers as names where they are asked for and the first line is no header of numbers."""
    if not rows or not wanted or not all(name.isdecimal() for name in wanted):
        return ()
    width = collections.Counter(map(len, rows)).most_common(1)[0][0]
    named = are_numbers_of_columns(rows[0]) or not all(0 < int(name) <= width for name in wanted)
    if named and set(wanted) <= set(rows[0]):
        return ()
    return tuple(str(number) for number in range(1, width + 1))


def _commented(
    remarks: Sequence[str], format_: Delimited, rows: Sequence[Sequence[str]], wanted: Sequence[str]
) -> tuple[str, ...]:
    """The names of a header that is written as a comment.

    It has those that are wanted, or one per column, above a row that is no header.
    """
    data = any(_POINT.fullmatch(cell.strip()) for cell in (rows[0] if rows else ()))
    for line in reversed(remarks):
        names = tuple(name.strip() for name in _split(line.lstrip(_COMMENTS).strip(), format_.delimiter))
        alike = data and len(set(names)) == len(rows[0]) and all(name[:1].isalpha() for name in names)
        if set(wanted) <= set(names) if wanted else alike:
            return names
    return ()


def _decimal(rows: Sequence[Sequence[str]]) -> str:
    """A comma, where a column of numbers has commas and no points."""
    width = min(map(len, rows), default=0)
    for column in range(width):
        cells = [cell for row in rows[1:] if (cell := row[column].strip())]
        with_comma = sum(bool(_COMMA.fullmatch(cell)) for cell in cells)
        others = [cell for cell in cells if not _COMMA.fullmatch(cell)]
        if with_comma and all(_POINT.fullmatch(cell) and "." not in cell for cell in others):
            return ","
    return "."
