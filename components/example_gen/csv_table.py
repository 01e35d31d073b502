"""CSV file -> Arrow table, with errors that name the line.

Arrow's reader is fast because it converts columns in parallel, and for the same
reason it cannot say which line it failed on. So the good path knows no lines;
when something is wrong, the file is walked a second time, slowly, to find it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.csv as pv

from components.example_gen.errors import DataError

_INTEGER = re.compile(r"-?\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)", re.IGNORECASE)


def read_table(path: Path, types: dict[str, pa.DataType]) -> pa.Table:
    """Reads some columns of a CSV file that has a header line.

    A byte order mark, CRLF line ends, blank lines, quoted commas and further
    columns are normal. An empty cell is an error in a number column and "" in a
    string column; nothing becomes null.

    Args:
      path: local file, UTF-8.
      types: column name in the file -> Arrow type (string, dictionary of
        strings, float or integer), in the order of the result.

    Raises:
      DataError: missing or empty file, missing or repeated column, a row of
        another width, a cell that is no number, bytes that are not UTF-8.
    """
    _check_header(path, types)
    try:
        return pv.read_csv(
            path,
            parse_options=pv.ParseOptions(newlines_in_values=True),
            convert_options=pv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        _explain(path, types, error)


def line_of(path: Path, row: int) -> int:
    """The 1-based line on which the given data row (0-based, header not counted) starts."""
    for index, (line, _) in enumerate(_records(path)):
        if index == row + 1:
            return line
    raise IndexError(f"{path} has no data row {row}")


def _check_header(path: Path, types: dict[str, pa.DataType]) -> None:
    if not path.is_file():
        raise DataError(path.name, f"not found in {path.parent}; expected a CSV file with {_names(types)}")
    _, header = next(_records(path), (0, None))
    if header is None:
        raise DataError(path.name, f"is empty; expected a header line with {_names(types)}")
    for column in types:
        if header.count(column) != 1:
            problem = "is missing" if column not in header else "appears more than once"
            raise DataError(
                path.name, f"column {column!r} {problem}; found {_names(header)}, expected {_names(types)}", 1
            )


def _explain(path: Path, types: dict[str, pa.DataType], error: pa.ArrowInvalid) -> NoReturn:
    """Raises a DataError for the first line that Arrow cannot have accepted."""
    records = _records(path)
    _, header = next(records)
    for line, fields in records:
        if len(fields) != len(header):
            raise DataError(
                path.name, f"{len(fields)} columns, expected {len(header)} ({_names(header)})", line
            ) from error
        for column, type_ in types.items():
            cell = fields[header.index(column)]
            if expected := _refusal(cell, type_):
                raise DataError(path.name, f"{column} is {cell!r}, expected {expected}", line) from error
    raise DataError(path.name, f"cannot be read as CSV: {error}") from error


def _refusal(cell: str, type_: pa.DataType) -> str | None:
    """What was expected instead of `cell`, or None if it is fine."""
    if pa.types.is_integer(type_):
        return None if _INTEGER.fullmatch(cell.strip()) else "a whole number"
    if pa.types.is_floating(type_):
        return None if _NUMBER.fullmatch(cell.strip()) else "a number"
    # `_records` maps undecodable bytes to lone surrogates, which is what makes them visible here.
    return None if cell.isprintable() or cell.encode(errors="replace").decode() == cell else "UTF-8 text"


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields (line on which the record starts, its fields), blank lines skipped as Arrow skips them."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        while True:
            line = reader.line_num + 1
            try:
                fields = next(reader, None)
            except csv.Error as error:
                raise DataError(path.name, f"cannot be read as CSV: {error}", line) from error
            if fields is None:
                return
            if fields:
                yield line, fields


def _names(columns: dict[str, pa.DataType] | list[str]) -> str:
    return ", ".join(columns)
