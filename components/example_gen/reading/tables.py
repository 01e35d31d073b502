"""Files -> typed Arrow tables in chunks, each row with its line; rows that have no such types are set aside.

Whatever the format, a table comes as columns of cells. Vectorised masks say which cells are none of
their kind (`cells`), so that a row is looked at by itself only to say what is wrong with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.errors import DataError
from components.example_gen.reading import cells, quarantine
from components.example_gen.reading.formats import delimited, parquet
from components.example_gen.reading.quarantine import BadRow, Quarantine, SetAside
from components.example_gen.reading.source import Delimited, Parquet, Source
from components.example_gen.reading.text_blocks import WHOLE, Span

_READERS: Final = {Delimited: delimited.rows, Parquet: parquet.rows}


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some rows of one file, in order.

    Attributes:
      file: position in Source.files.
      table: columns by what they mean, of the kinds asked for (times as int64 seconds). Nulls
        are only where a finite number is optional.
      lines: int64[rows], the line on which each row starts.
    """

    file: int
    table: pa.Table
    lines: np.ndarray


def read(source: Source, bad: Quarantine, max_line_bytes: int) -> Iterator[Chunk]:
    """Reads all files, one after the other.

    Every row is counted in `bad`, and is either in a chunk or added to it.

    Raises:
      DataError: a file that cannot be used at all: missing, empty, cut off, no
        text, or without a column.
    """
    for number in range(len(source.files)):
        yield from read_span(source, number, WHOLE, bad, max_line_bytes)


def read_span(
    source: Source, number: int, span: Span, bad: Quarantine, max_line_bytes: int
) -> Iterator[Chunk]:
    """Reads a part of the file at `number`, as `read` does.

    Raises:
      DataError: as `read`.
    """
    path, wanted = source.files[number], ", ".join(source.columns.values())
    if not path.is_file():
        raise DataError(path.name, f"not found in {path.parent}; expected a file with {wanted}")
    if not path.stat().st_size:
        raise DataError(path.name, f"is empty; expected {wanted}")

    def set_aside(line: int, kind: str, reason: str) -> None:
        bad.count(source.table, 1)
        bad.add(BadRow(source.table, path.name, line, kind, reason))

    before = bad.rows_in[source.table]
    rows = _READERS[type(source.format)]
    for batch, lines in rows(source, path, span, max_line_bytes, set_aside):
        table, lines = _good(source, batch, lines, set_aside)
        bad.count(source.table, len(lines))
        yield Chunk(number, table, lines)
    alone = len(source.files) == 1 and span == WHOLE
    if bad.rows_in[source.table] == before and alone and source.table != "tags":
        header = isinstance(source.format, Delimited) and source.format.names is None
        what = "a header but no rows" if header else "no rows"
        raise DataError(path.name, f"has {what}; expected at least one")


def read_by_id(source: Source, role: str, bad: Quarantine, max_line_bytes: int) -> pa.Table:
    """Reads a table of which each row is of another id; rows without one are set aside.

    Args:
      role: what the ids mean; they come as text.

    Raises:
      DataError: as `read`, or an id comes twice.
    """
    parts: list[pa.Table] = []
    places: list[tuple[str, np.ndarray]] = []
    name = source.columns[role]
    for chunk in read(source, bad, max_line_bytes):
        at = chunk.table.schema.get_field_index(role)
        table = chunk.table.set_column(at, role, chunk.table[role].cast(pa.string()))
        empty = pc.equal(table[role], "").to_numpy(zero_copy_only=False)
        file = source.files[chunk.file].name
        for line in chunk.lines[empty].tolist():
            reason = f"{name} is '', expected a non-empty id"
            bad.add(BadRow(source.table, file, line, quarantine.MISSING, reason))
        parts.append(table.filter(pa.array(~empty)))
        places.append((file, chunk.lines[~empty]))
    if not parts:
        return _empty(source)
    table = pa.concat_tables(parts).combine_chunks()
    _require_once(name, table[role].combine_chunks(), places)
    return table


def _require_once(name: str, ids: pa.StringArray, places: list[tuple[str, np.ndarray]]) -> None:
    """Stops where an id comes twice.

    Args:
      places: of the rows one after the other, the file and int64[rows of it], their lines.

    Raises:
      DataError: so it is.
    """
    """Raises:
    DataError: an id comes twice.
    """
    codes = ids.dictionary_encode().indices.to_numpy()
    again = np.ones(len(codes), bool)
    again[np.unique(codes, return_index=True)[1]] = False
    if not again.any():
        return
    row = int(np.flatnonzero(again)[0])
    files = [file for file, lines in places for _ in lines]
    lines = np.concatenate([lines for _, lines in places])
    reason = f"{name} is {ids[row].as_py()!r}, expected an id that no earlier line has"
    raise DataError(files[row], reason, int(lines[row]))


def _good(
    source: Source, batch: pa.RecordBatch, lines: np.ndarray, set_aside: SetAside
) -> tuple[pa.Table, np.ndarray]:
    """The rows all of whose cells are of their kinds, and their lines; the others are set aside."""
    roles = list(source.columns)
    columns = []
    wrong, where = np.zeros(len(batch), np.int8), np.zeros(len(batch), np.int64)
    for position, role in enumerate(roles):
        values, of_cell = cells.typed(batch[role], source.kinds[role])
        if role in source.optional:
            of_cell[of_cell == cells.MISSING] = 0
            values = cells.without_nulls(values, source.kinds[role])
        first = (wrong == 0) & (of_cell != 0)
        wrong[first], where[first] = of_cell[first], position
        columns.append(values)
    for row in np.flatnonzero(wrong).tolist():
        role = roles[where[row]]
        name, kind = source.columns[role], source.kinds[role]
        set_aside(int(lines[row]), *cells.problem(name, batch[role][row], kind, int(wrong[row])))
    table = pa.Table.from_arrays(columns, names=roles)
    if wrong.any():
        table, lines = table.filter(pa.array(wrong == 0)), lines[wrong == 0]
    if source.rows is not None:
        table, rows = source.rows(table)
        lines = lines[rows]
    return table, lines


def _empty(source: Source) -> pa.Table:
    nothing = pa.RecordBatch.from_pydict({role: pa.array([], pa.string()) for role in source.columns})
    return _good(source, nothing, np.zeros(0, np.int64), lambda *_: None)[0]
