"""Files -> typed Arrow tables in chunks, each row with its line; rows that have no such types are set aside.

Whatever the format, a table comes as columns of cells. Vectorised masks say which cells are none of
their kind (`cells`), so that a row is looked at by itself only to say what is wrong with it.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa

from components.example_gen.errors import DataError
from components.example_gen.reading import cells, quarantine
from components.example_gen.reading.formats import delimited, json_lines, parquet, sheet
from components.example_gen.reading.places import Place
from components.example_gen.reading.quarantine import BadRow, Quarantine, SetAside
from components.example_gen.reading.rows.holding import holds
from components.example_gen.reading.rows.joins import Keyed
from components.example_gen.reading.source import (
    EVENT,
    KEY,
    Delimited,
    Format,
    Join,
    JsonLines,
    Parquet,
    Sheet,
    Source,
)
from components.example_gen.reading.text_blocks import WHOLE, Span

# Each module has `rows`, the reader, and `header`, the names of a file's columns.
_FORMATS: Final = {Delimited: delimited, JsonLines: json_lines, Parquet: parquet, Sheet: sheet}


SAMPLE_BYTES: Final = 1 << 20  # what is looked at of a text file


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

    waiting: list[BadRow] = []

    def set_aside(line: int, kind: str, reason: str) -> None:
        bad.count(source.table, 1)
        waiting.append(BadRow(source.table, path.name, line, kind, reason))

    def add(until: float) -> None:
        # A block's records of another width come before its cells; lines shall be in order.
        waiting.sort(key=lambda row: row.line)
        ready = bisect.bisect_right(waiting, until, key=lambda row: row.line)
        for row in waiting[:ready]:
            bad.add(row)
        del waiting[:ready]

    before = bad.rows_in[source.table]
    in_file = source.in_file
    keyed = None if source.join is None else _keyed(source.join, max_line_bytes)
    for batch, lines in _FORMATS[type(source.format)].rows(in_file, path, span, max_line_bytes, set_aside):
        last = lines[-1] if len(lines) else 0
        if source.join is not None and keyed is not None:
            batch, lines = _joined(source.join, keyed, batch, lines, set_aside)
        table, lines = _good(source, batch, lines, set_aside, bad)
        bad.count(source.table, len(lines))
        add(last)
        if source.events:
            event = pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(len(table), np.int32)), pa.array([source.events[number]])
            )
            table = table.append_column(EVENT, event)
        yield Chunk(number, table, lines)
    add(math.inf)
    alone = len(source.files) == 1 and span == WHOLE
    if bad.rows_in[source.table] == before and alone and source.table != "tags" and not source.collected:
        header = isinstance(source.format, Delimited) and source.format.names is None
        what = "a header but no rows" if header else "no rows"
        raise DataError(path.name, f"has {what}; expected at least one")


def header(format_: Format, path: Place, max_line_bytes: int) -> tuple[str, ...]:
    """The names of a file's columns.

    Raises:
      DataError: the file cannot be used at all.
    """
    return _FORMATS[type(format_)].header(format_, path, max_line_bytes, SAMPLE_BYTES)


def sample(
    source: Source,
    path: Place,
    max_line_bytes: int,
    block_bytes: int = SAMPLE_BYTES,
    set_aside: SetAside = lambda *_: None,
) -> pa.RecordBatch:
    """The first rows of a file, by meaning, as the reader has them before their kinds count.

    Args:
      set_aside: is told of the lines before and among them that are no records.

    Raises:
      DataError: as `read`.
    """
    rows = _FORMATS[type(source.format)].rows
    for batch, _ in rows(source, path, WHOLE, max_line_bytes, set_aside, block_bytes):
        if len(batch):
            return batch
    return pa.RecordBatch.from_pydict({role: pa.array([], pa.string()) for role in source.columns})


def read_by_id(source: Source, role: str, bad: Quarantine, max_line_bytes: int) -> pa.Table:
    """Reads a table of which each row is of another id.

    Of several rows of one id the first stays; the same row again is left out, another one is bad.

    Args:
      role: what the ids mean; they come as text.

    Raises:
      DataError: as `read`.
    """
    parts: list[pa.Table] = []
    files: list[np.ndarray] = []
    lines: list[np.ndarray] = []
    for chunk in read(source, bad, max_line_bytes):
        at = chunk.table.schema.get_field_index(role)
        parts.append(chunk.table.set_column(at, role, chunk.table[role].cast(pa.string())))
        files.append(np.full(len(chunk.lines), chunk.file))
        lines.append(chunk.lines)
    if not parts:
        return _empty(source).set_column(0, role, pa.array([], pa.string()))
    table = pa.concat_tables(parts).combine_chunks()
    again = _again(table[role].combine_chunks())
    if again.size:
        file, line = np.concatenate(files), np.concatenate(lines)
        for row, first in again.tolist():
            if table.slice(row, 1).equals(table.slice(first, 1)):
                bad.leave_out(source.table, "the same row again")
                continue
            came, name = table[role][row].as_py(), source.files[file[row]].name
            reason = (
                f"{source.columns[role]} is {came!r}, expected an id that no earlier line has "
                f"(line {line[first]} stays)"
            )
            bad.add(BadRow(source.table, name, int(line[row]), quarantine.ID_AGAIN, reason))
        once = np.ones(len(table), bool)
        once[again[:, 0]] = False
        table = table.filter(pa.array(once))
    return table


def read_first(source: Source, role: str, max_line_bytes: int) -> pa.Table:
    """Of a table whose rows are a log's the first of each id, as `read_by_id` has them.

    Its rows are accounted for where the log is read.

    Raises:
      DataError: as `read`.
    """
    found = _empty(source).set_column(0, role, pa.array([], pa.string()))
    for chunk in read(source, Quarantine(), max_line_bytes):
        at = chunk.table.schema.get_field_index(role)
        table = chunk.table.set_column(at, role, chunk.table[role].cast(pa.string()))
        table = pa.concat_tables([found, table]).combine_chunks()
        codes = table[role].combine_chunks().dictionary_encode().indices.to_numpy()
        found = table.take(pa.array(np.sort(np.unique(codes, return_index=True)[1])))
    return found


def _joined(
    join: Join, keyed: Keyed, batch: pa.RecordBatch, lines: np.ndarray, set_aside: SetAside
) -> tuple[pa.RecordBatch, np.ndarray]:
    """The rows that have one in the joined table, with its columns."""
    keys = cells.typed(batch[KEY], "id")[0].cast(pa.string())  # as those of the table
    columns, found = keyed.beside(keys)
    for row in np.flatnonzero(~found).tolist():
        name = f"{join.table.files[0].name}, column {join.table.columns[KEY]}"
        reason = f"{join.on} is {keys[row].as_py()!r}, expected one of {name}"
        set_aside(int(lines[row]), quarantine.NOT_JOINED, reason)
    for role in columns.column_names:
        batch = batch.append_column(role, columns[role].combine_chunks())
    return (batch, lines) if found.all() else (batch.filter(pa.array(found)), lines[found])


def _keyed(join: Join, max_line_bytes: int) -> Keyed:
    """The joined table, read once for all files of a log."""
    file = join.table.files[0]
    if not file.is_file():
        raise DataError(file.name, f"not found in {file.parent}; expected the table of example_gen.join")
    stat = file.stat()
    changed = getattr(stat, "st_mtime_ns", 0)  # object stores do not say
    known = (join.table, stat.st_size, changed)
    if _last_joined.get("of") != known:
        # Rows are of other things than events: they have no account.
        table = read_by_id(join.table, KEY, Quarantine(), max_line_bytes)
        _last_joined.update(of=known, table=Keyed(table[KEY].combine_chunks(), table.drop_columns([KEY])))
    keyed: Keyed = _last_joined["table"]
    return keyed


_last_joined: dict[str, Any] = {}


def _again(ids: pa.StringArray) -> np.ndarray:
    """int64[rows, 2]: the rows whose id came before, and the row where it came first."""
    codes = ids.dictionary_encode().indices.to_numpy()
    first = np.unique(codes, return_index=True)[1]
    rows = np.delete(np.arange(len(codes)), first)
    return np.stack([rows, first[codes[rows]]], axis=1)


def _good(
    source: Source, batch: pa.RecordBatch, lines: np.ndarray, set_aside: SetAside, bad: Quarantine
) -> tuple[pa.Table, np.ndarray]:
    """The rows all of whose cells are of their kinds, and their lines; the others are set aside."""
    read = len(batch)
    batch, lines = _chosen(source, batch, lines, set_aside, bad)
    roles = [role for role in source.columns if role not in source.condition_roles]
    columns = []
    wrong, where = np.zeros(len(batch), np.int8), np.zeros(len(batch), np.int64)
    for position, role in enumerate(roles):
        values, of_cell = cells.typed(batch[role], source.kinds[role], source.missing)
        if role in source.optional:
            if (
                source.kinds[role] in ("finite", "year")
                and (unread := np.flatnonzero(of_cell == cells.NOT_OF_KIND)).size
            ):
                example = batch[role][unread[0]]
                what = cells.problem(source.columns[role], example, source.kinds[role], cells.NOT_OF_KIND)
                bad.count_unread(source.table, source.columns[role], unread.size, what[1])
                of_cell[unread] = 0
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
    if len(table) < read:
        # Ids of rows that are gone are none; a dictionary would still have them.
        columns = [
            column.cast(pa.string()).dictionary_encode() if pa.types.is_dictionary(column.type) else column
            for column in table.columns
        ]
        table = pa.Table.from_arrays(columns, names=table.column_names)
    if source.rows is not None:
        table, rows = source.rows(table)
        lines = lines[rows]
    return table, lines


def _chosen(
    source: Source, batch: pa.RecordBatch, lines: np.ndarray, set_aside: SetAside, bad: Quarantine
) -> tuple[pa.RecordBatch, np.ndarray]:
    """The rows of which the log consists; the others are left out, by the first condition that says so."""
    stay = np.ones(len(batch), bool)
    for condition, drops in [
        *((each, True) for each in source.drop),
        *((each, False) for each in source.keep),
    ]:
        values, wrong = cells.typed(batch[condition.role], "cell", source.missing)
        fits, odd = holds(condition, values, wrong == cells.MISSING)
        for row in np.flatnonzero(odd & stay).tolist():
            reason = (
                f"{condition.column} is {values[row].as_py()!r}, expected {condition.expected}, which the "
                f"condition {condition.text} compares"
            )
            set_aside(int(lines[row]), quarantine.NOT_A_NUMBER, reason)
        stay &= ~odd
        gone = stay & (fits == drops)
        if count := int(gone.sum()):
            bad.count(source.table, count)
            bad.leave_out(source.table, condition.text if drops else f"not {condition.text}", count)
        stay &= ~gone
    return (batch, lines) if stay.all() else (batch.filter(pa.array(stay)), lines[stay])


def _empty(source: Source) -> pa.Table:
    nothing = pa.RecordBatch.from_pydict({role: pa.array([], pa.string()) for role in source.columns})
    return _good(source, nothing, np.zeros(0, np.int64), lambda *_: None, Quarantine())[0]
