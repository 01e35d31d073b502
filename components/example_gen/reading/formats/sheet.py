"""Sheets of Excel and of OpenDocument, as cells of text or of times.

Every sheet of a file that begins with the first one's header is read, one after the other, as people
who outgrow a sheet begin the next; a row's line counts on from sheet to sheet.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from components.example_gen.errors import DataError
from components.example_gen.reading.places import Place
from components.example_gen.reading.quarantine import SetAside
from components.example_gen.reading.source import Sheet, Source
from components.example_gen.reading.text_blocks import Span

_ROWS: Final = 100_000
_TITLES: Final = 10


def rows(
    source: Source,
    path: Place,
    span: Span,
    max_line_bytes: int,
    set_aside: SetAside,
    block_bytes: int | None = None,
) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Columns by their meaning, and int64[rows]: the line of each. Rows without a cell are none.

    Raises:
      DataError: the file is damaged, has a password, or lacks a column.
    """
    names: tuple[str, ...] | None = None
    waiting: list[tuple[int, list[Any]]] = []
    for line, row in _rows(path):
        if names is None:
            names = tuple(str(_text(cell) or "").strip() for cell in row)
            for name in source.columns.values():
                if names.count(name) != 1:
                    problem = "is missing" if name not in names else "appears more than once"
                    found, wanted = ", ".join(names), ", ".join(source.columns.values())
                    raise DataError(
                        path.name, f"column {name!r} {problem}; found {found}, expected {wanted}", line
                    )
            continue
        waiting.append((line, row))
        if len(waiting) == _ROWS:
            yield _batch(source, names, waiting)
            waiting = []
    if names is not None and waiting:
        yield _batch(source, names, waiting)


def header(
    format_: Sheet, path: Place, max_line_bytes: int, block_bytes: int | None = None
) -> tuple[str, ...]:
    """The cells of the first row.

    Raises:
      DataError: the file is damaged or has a password.
    """
    for _, row in _rows(path):
        return tuple(str(_text(cell) or "").strip() for cell in row)
    raise DataError(path.name, "is empty; expected a sheet with a header")


def left_out(path: Place) -> tuple[int, tuple[str, ...]]:
    """How many rows are above the header of the first sheet, and the names of sheets of other tables.

    Raises:
      DataError: the file is damaged or has a password.
    """
    above: list[int] = []
    others: list[str] = []
    for _ in _rows(path, above, others):
        pass
    return (above[0] if above else 0), tuple(others)


def _title(rows: list[list[Any]]) -> int:
    """How many of the first rows are a title: a cell alone, or none, above rows of several."""
    filled = [sum(cell != "" for cell in row) for row in rows]
    first = next((number for number, count in enumerate(filled) if count > 1), 0)
    return first if any(filled[:first]) else 0


def _rows(
    path: Place, above: list[int] | None = None, others: list[str] | None = None
) -> Iterator[tuple[int, list[Any]]]:
    """(line, cells) of the rows that have any, with the header once.

    Args:
      above: gets the number of rows above the header of each sheet.
      others: gets the names of sheets of other tables.
    """
    first: list[Any] | None = None
    line = 0
    try:
        with path.open("rb") as file:
            book = CalamineWorkbook.from_filelike(file)
            for name in book.sheet_names:
                sheet = book.get_sheet_by_name(name)
                at_header = True
                all_rows = sheet.iter_rows()
                head = list(itertools.islice(all_rows, _TITLES))
                title = _title(head)
                if above is not None:
                    above.append(title)
                line += title
                for row in itertools.chain(head[title:], all_rows):
                    line += 1
                    if all(cell == "" for cell in row):
                        continue
                    if at_header and first is not None and row != first:
                        if others is not None:
                            others.append(name)
                        break  # another table
                    if not at_header or first is None:
                        yield line, row
                    first, at_header = first or row, False
                    if others is not None:
                        break  # the names are known
    except (CalamineError, OSError) as error:
        raise DataError(
            path.name, f"cannot be read as a sheet: {error}; it is damaged, or has a password"
        ) from error


def _batch(
    source: Source, names: tuple[str, ...], numbered: list[tuple[int, list[Any]]]
) -> tuple[pa.RecordBatch, np.ndarray]:
    columns = {}
    for role, name in source.columns.items():
        at = names.index(name)
        columns[role] = _column([row[at] if at < len(row) else "" for _, row in numbered])
    return pa.RecordBatch.from_pydict(columns), np.array([line for line, _ in numbered], np.int64)


def _column(cells: list[Any]) -> pa.Array:
    """Times where all cells are; otherwise texts."""
    there = [cell for cell in cells if cell != ""]
    if there and all(isinstance(cell, datetime.date) for cell in there):
        return pa.array([None if cell == "" else cell for cell in cells], pa.timestamp("us"))
    return pa.array([_text(cell) for cell in cells], pa.string())


def _text(cell: Any) -> str | None:
    """As it is shown: a whole number without a fraction, for a sheet has no others."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    if isinstance(cell, datetime.date):
        return cell.isoformat()
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return None if cell == "" else str(cell)
