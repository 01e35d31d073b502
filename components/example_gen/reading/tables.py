"""Files -> typed Arrow tables in chunks, each row with its line; rows that have no such types are set aside.

Arrow parses fast and cannot say which line it failed on. So a block goes to
Arrow whole; only where it refuses are small pieces of it tried, and only the
pieces it refuses are walked line by line in Python.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

from components.example_gen.errors import DataError
from components.example_gen.reading import quarantine, text_blocks
from components.example_gen.reading.places import Place, for_arrow
from components.example_gen.reading.quarantine import BadRow, Quarantine
from components.example_gen.reading.text_blocks import WHOLE, BadLine, Block, Span

Kind = Literal["id", "text", "texts", "cell", "number", "integer", "time:s", "time:ms", "time:us", "time:iso"]

# Ids repeat a lot: a dictionary column stores each once and an int32 per row.
ID: Final = pa.dictionary(pa.int32(), pa.string())

_TYPES: Final[dict[str, pa.DataType]] = {
    "id": ID,
    "text": pa.string(),
    "texts": pa.string(),  # in Parquet a list of them
    "cell": pa.string(),  # in Parquet any single value, as text
    "number": pa.float32(),
    "integer": pa.int64(),
    "time:s": pa.int64(),
    "time:ms": pa.int64(),
    "time:us": pa.int64(),
    "time:iso": pa.timestamp("us"),
}
_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_INTEGER = re.compile(r"-?\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_PIECE_BYTES = 1 << 18
_PARQUET_ROWS = 500_000
_INT64 = np.iinfo(np.int64)


@dataclasses.dataclass(frozen=True)
class TextFormat:
    """How a text file is laid out.

    Attributes:
      delimiter: between the columns: one character, or "::"; " " is any blanks.
      names: of the columns, in order; None: the first line has them.
      quoted: whether double quotes enclose values.
      latin1: Latin-1 rather than UTF-8.
    """

    delimiter: str = ","
    names: tuple[str, ...] | None = None
    quoted: bool = True
    latin1: bool = False


@dataclasses.dataclass(frozen=True)
class TableFiles:
    """The files of one table, all of one format.

    Attributes:
      table: its name in messages: ratings, items or tags.
      files: at least one; a row's place is its file's and its own.
      columns: what a column means -> its name in the files.
      kinds: what a column means -> what its cells must be.
      format: None for Parquet.
      optional: meanings whose cells may be null, which reads as "", 0 or no texts.
    """

    table: str
    files: tuple[Place, ...]
    columns: Mapping[str, str]
    kinds: Mapping[str, Kind]
    format: TextFormat | None
    optional: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some rows of one file, in order.

    Attributes:
      file: position in TableFiles.files.
      table: columns by what they mean, of the kinds asked for (times as int64
        seconds), without nulls.
      lines: int64[rows], the line on which each row starts.
    """

    file: int
    table: pa.Table
    lines: np.ndarray


def read(source: TableFiles, bad: Quarantine, max_line_bytes: int) -> Iterator[Chunk]:
    """Reads all files, one after the other.

    Every row is counted in `bad`, and is either in a chunk or added to it.

    Raises:
      DataError: a file that cannot be used at all: missing, empty, cut off, no
        text, or without a column.
    """
    for number in range(len(source.files)):
        yield from read_span(source, number, WHOLE, bad, max_line_bytes)


def read_span(
    source: TableFiles, number: int, span: Span, bad: Quarantine, max_line_bytes: int
) -> Iterator[Chunk]:
    """Reads a part of the file at `number`, as `read` does.

    Raises:
      DataError: as `read`.
    """
    path = source.files[number]
    if not path.is_file():
        raise DataError(
            path.name, f"not found in {path.parent}; expected a file with {_names(source.columns.values())}"
        )
    if not path.stat().st_size:
        raise DataError(path.name, f"is empty; expected {_names(source.columns.values())}")
    reader = _parquet if source.format is None else _text
    for table, lines in reader(source, path, span, bad, max_line_bytes):
        bad.count(source.table, len(lines))
        yield Chunk(number, table, lines)


# --- text ----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Columns:
    """What of a text file's columns is read: `where` is the position of each meaning."""

    names: tuple[str, ...]
    where: Mapping[str, int]


def _text(
    source: TableFiles, path: Place, span: Span, bad: Quarantine, max_line_bytes: int
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    format_ = source.format
    assert format_ is not None
    columns: _Columns | None = None
    if format_.names is not None:
        columns = _Columns(
            format_.names, {role: format_.names.index(name) for role, name in source.columns.items()}
        )
    elif span.start:
        columns = _columns_of(source, path, max_line_bytes)
    rows = 0
    before = bad.rows_in[source.table]
    for block in text_blocks.blocks(
        path, latin1=format_.latin1, quoted=format_.quoted, max_line_bytes=max_line_bytes, span=span
    ):
        if isinstance(block, BadLine):
            if columns is None:
                raise _bad_header(path, block)
            bad.count(source.table, 1)
            bad.add(BadRow(source.table, path.name, block.line, block.kind, block.reason))
            continue
        if columns is None:
            block, columns = _header(source, path, block)
            if columns is None:
                continue
        block = _one_byte_delimiter(format_, block)
        for table, lines in _parse(source, path, columns, block, bad):
            rows += len(lines)
            yield table, lines
    if columns is None:
        raise _no_header(source, path)
    alone = len(source.files) == 1 and span == WHOLE
    if not rows and bad.rows_in[source.table] == before and alone and source.table != "tags":
        what = "no rows" if format_.names is not None else "a header but no rows"
        raise DataError(path.name, f"has {what}; expected at least one")


def _columns_of(source: TableFiles, path: Place, max_line_bytes: int) -> _Columns:
    """The columns that a file's header names."""
    assert source.format is not None
    for block in text_blocks.blocks(
        path,
        latin1=source.format.latin1,
        quoted=source.format.quoted,
        max_line_bytes=max_line_bytes,
        block_bytes=max_line_bytes,
    ):
        if isinstance(block, BadLine):
            raise _bad_header(path, block)
        _, columns = _header(source, path, block)
        if columns is not None:
            return columns
    raise _no_header(source, path)


def _bad_header(path: Place, line: BadLine) -> DataError:
    return DataError(path.name, f"the header is {line.reason}", line.line)


def _no_header(source: TableFiles, path: Place) -> DataError:
    return DataError(path.name, f"is empty; expected a header line with {_names(source.columns.values())}")


def _header(source: TableFiles, path: Place, block: Block) -> tuple[Block, _Columns | None]:
    """(the block after the header line, the columns that it names); blank lines before it are passed over."""
    assert source.format is not None
    data, line = block.data, block.line
    while data.startswith(b"\n"):
        data, line = data[1:], line + 1
    if not data:
        return Block(line, b""), None
    end = int(text_blocks.record_ends(data, source.format.quoted)[0])
    try:
        text = data[:end].decode()
    except UnicodeDecodeError as error:
        raise DataError(
            path.name,
            "the header is not UTF-8; save the file as UTF-8 or set example_gen.encoding: latin-1",
            line,
        ) from error
    names = tuple(next(_csv_records(text, source.format)))
    for name in source.columns.values():
        if names.count(name) != 1:
            problem = "is missing" if name not in names else "appears more than once"
            expected = _names(source.columns.values())
            raise DataError(
                path.name, f"column {name!r} {problem}; found {_names(names)}, expected {expected}", line
            )
    where = {role: names.index(name) for role, name in source.columns.items()}
    return Block(line + data[:end].count(b"\n"), data[end:]), _Columns(names, where)


def _one_byte_delimiter(format_: TextFormat, block: Block) -> Block:
    """The block with the delimiter that `_delimiter` says, which Arrow can take."""
    if len(format_.delimiter) > 1:
        return Block(block.line, block.data.replace(format_.delimiter.encode(), b"\x1f"))
    if format_.delimiter == " " and (b"\t" in block.data or b"  " in block.data or b" \n" in block.data):
        data = re.sub(rb"[ \t]+", b" ", block.data)
        return Block(block.line, re.sub(rb"^ | $", b"", data, flags=re.MULTILINE))
    return block


def _delimiter(format_: TextFormat) -> str:
    return "\x1f" if len(format_.delimiter) > 1 else format_.delimiter


def _parse(
    source: TableFiles, path: Place, columns: _Columns, block: Block, bad: Quarantine
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """The block's good rows; bad ones go to `bad`."""
    if not block.data:
        return
    assert source.format is not None
    try:
        table = _arrow(source, columns, block.data)
    except pa.ArrowInvalid:
        pieces = _pieces(block, text_blocks.record_ends(block.data, source.format.quoted))
        if len(pieces) > 1:
            for piece in pieces:
                yield from _parse(source, path, columns, piece, bad)
        else:
            yield _walk(source, path, columns, block, bad)
    else:
        if len(table):
            yield table, _lines(source.format, block, len(table))


def _pieces(block: Block, ends: np.ndarray) -> list[Block]:
    """The block cut at some of the record ends into pieces of about _PIECE_BYTES."""
    pieces, line, start = [], block.line, 0
    count = -(-len(block.data) // _PIECE_BYTES)
    wanted = np.arange(1, count + 1) * (len(block.data) // count)
    cuts = ends[np.minimum(np.searchsorted(ends, wanted), len(ends) - 1)] if len(ends) else ends
    for end in [*np.unique(cuts).tolist(), len(block.data)]:
        if data := block.data[start:end]:
            pieces.append(Block(line, data))
            line, start = line + data.count(b"\n"), end
    return pieces


def _arrow(source: TableFiles, columns: _Columns, data: bytes) -> pa.Table:
    """The rows by Arrow's own parser.

    Raises:
      pa.ArrowInvalid: some row is not as it should be.
    """
    assert source.format is not None
    positions = [f"c{i}" for i in range(len(columns.names))]
    wanted = {role: positions[where] for role, where in columns.where.items()}
    table = pv.read_csv(
        pa.BufferReader(data),
        pv.ReadOptions(column_names=positions, block_size=max(1 << 22, data.find(b"\n") + 1)),
        pv.ParseOptions(
            delimiter=_delimiter(source.format),
            quote_char='"' if source.format.quoted else False,
            newlines_in_values=source.format.quoted and b'"' in data,
        ),
        pv.ConvertOptions(
            # Two meanings may be of one column, so kinds go by position.
            column_types={wanted[role]: _TYPES[kind] for role, kind in source.kinds.items()},
            include_columns=list(dict.fromkeys(wanted.values())),
            null_values=[],
            strings_can_be_null=False,
        ),
    )
    arrays = [_seconds(table[wanted[role]], source.kinds[role]) for role in columns.where]
    if any(array.null_count for array in arrays):
        raise pa.ArrowInvalid("a null")
    return pa.Table.from_arrays(arrays, names=list(columns.where))


def _seconds(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    """A column of times as int64 seconds; any other as it is."""
    if not kind.startswith("time:"):
        return column
    unit = "us" if kind == "time:iso" else kind.removeprefix("time:")
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return column if unit == "s" else pa.chunked_array(_floor(column.combine_chunks(), _PER_SECOND[unit]))


def _floor(values: pa.Array, divisor: int) -> pa.Array:
    # Downwards also below 0, so that nothing before 1970 becomes 1970.
    return pa.array(values.to_numpy(zero_copy_only=False) // divisor)


def _lines(format_: TextFormat, block: Block, rows: int) -> np.ndarray:
    """int64[rows]: where each record starts."""
    starts = np.concatenate([[0], np.flatnonzero(np.frombuffer(block.data, np.uint8) == 10) + 1])[:-1]
    if len(starts) != rows:
        starts = starts[np.diff(np.append(starts, len(block.data))) > 1]  # blank lines have no row
        lines = np.searchsorted(np.flatnonzero(np.frombuffer(block.data, np.uint8) == 10), starts)
        if len(starts) == rows:
            return lines + block.line
        walked = [line for line, _ in _records(format_, block)]
        if len(walked) == rows:
            return np.array(walked, np.int64)
        raise AssertionError(f"{rows} rows on {len(walked)} records")
    return np.arange(block.line, block.line + rows, dtype=np.int64)


def _walk(
    source: TableFiles, path: Place, columns: _Columns, block: Block, bad: Quarantine
) -> tuple[pa.Table, np.ndarray]:
    """Row by row: what is good as a table, the rest to `bad`."""
    assert source.format is not None
    cells: dict[str, list[object]] = {role: [] for role in columns.where}
    lines = []
    for line, fields in _records(source.format, block):
        found = _cells(source, columns, fields)
        if isinstance(found, tuple):
            bad.count(source.table, 1)
            bad.add(BadRow(source.table, path.name, line, *found))
            continue
        lines.append(line)
        for role, value in found.items():
            cells[role].append(value)
    arrays = []
    for role, kind in source.kinds.items():
        if role in cells:
            type_ = pa.int64() if kind.startswith("time:") else _TYPES[kind]
            array = pa.array(cells[role], pa.string() if kind == "id" else type_)
            arrays.append(array.dictionary_encode() if kind == "id" else array)
    names = [role for role in source.kinds if role in cells]
    return pa.Table.from_arrays(arrays, names=names).select(list(columns.where)), np.array(lines, np.int64)


def _cells(source: TableFiles, columns: _Columns, fields: list[str]) -> dict[str, object] | tuple[str, str]:
    """The values of one row, or (kind, reason) of what is wrong with it."""
    if len(fields) != len(columns.names):
        return (
            quarantine.WIDTH,
            f"{len(fields)} columns, expected {len(columns.names)} ({_names(columns.names)})",
        )
    values: dict[str, object] = {}
    for role, where in columns.where.items():
        cell, kind, name = fields[where], source.kinds[role], columns.names[where]
        if any("\udc80" <= character <= "\udcff" for character in cell):
            # Undecodable bytes came as lone surrogates.
            return quarantine.ENCODING, f"{name} is {ascii(cell)[:80]}, expected UTF-8 text"
        if kind in ("id", "text", "texts", "cell"):
            values[role] = cell
            continue
        value = _value(cell.strip(), kind)
        if value is None:
            expected = {"number": "a number", "integer": "a whole number", "time:iso": "a time in ISO 8601"}
            problem = quarantine.NOT_A_NUMBER if cell.strip() else quarantine.MISSING
            return problem, f"{name} is {_short(cell)}, expected {expected.get(kind, 'a whole number')}"
        if isinstance(value, int) and not _INT64.min <= value <= _INT64.max:
            return quarantine.BAD_TIME, f"{name} is {_short(cell)}, which is beyond any time"
        values[role] = value
    return values


def _value(cell: str, kind: Kind) -> float | int | None:
    if kind == "number":
        return float(cell) if _NUMBER.fullmatch(cell) else None
    if kind == "time:iso":
        try:
            time = datetime.datetime.fromisoformat(cell)
        except ValueError:
            return None
        return int((time if time.tzinfo else time.replace(tzinfo=datetime.UTC)).timestamp() // 1)
    if not _INTEGER.fullmatch(cell) or len(cell) > 40:
        return None if len(cell) <= 40 or not cell.isdigit() else 2**63
    return int(cell) // _PER_SECOND.get(kind.removeprefix("time:"), 1)


def _records(format_: TextFormat, block: Block) -> Iterator[tuple[int, list[str]]]:
    """(line on which the record starts, its fields), blank lines passed over as Arrow does."""
    text = block.data.decode("utf-8", "surrogateescape")
    reader = _csv_records(text, format_)
    while True:
        line = block.line + reader.line_num
        fields = next(reader, None)
        if fields is None:
            return
        if fields:
            yield line, fields


def _csv_records(text: str, format_: TextFormat) -> Any:
    # A record is bounded by the block; the module's own bound is lower.
    csv.field_size_limit(2 * text_blocks.BLOCK_BYTES)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if format_.quoted else csv.QUOTE_NONE
    delimiter = _delimiter(format_)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)


# --- Parquet -------------------------------------------------------------------


def _parquet(
    source: TableFiles, path: Place, span: Span, bad: Quarantine, max_line_bytes: int
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    try:
        with pq.ParquetFile(for_arrow(path)) as file:
            _require_columns(source, path, file.schema_arrow)
            if not file.metadata.num_rows and len(source.files) == 1:
                raise DataError(path.name, "has no rows; expected at least one")
            row = span.line
            end = file.num_row_groups if span.end is None else span.end
            for batch in file.iter_batches(
                _PARQUET_ROWS,
                row_groups=list(range(span.start, end)),
                columns=list(dict.fromkeys(source.columns.values())),
            ):
                lines = np.arange(row, row + len(batch), dtype=np.int64)
                row += len(batch)
                yield _typed(source, path, batch, lines, bad)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(path.name, f"cannot be read as Parquet: {error}; it is damaged or cut off") from error


def _require_columns(source: TableFiles, path: Place, schema: pa.Schema) -> None:
    for role, name in source.columns.items():
        if schema.names.count(name) != 1:
            found, wanted = _names(schema.names), _names(source.columns.values())
            raise DataError(path.name, f"column {name!r} is missing; found {found}, expected {wanted}")
        type_, kind = schema.field(name).type, source.kinds[role]
        if pa.types.is_dictionary(type_):
            type_ = type_.value_type
        text = pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)
        number = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
        fits, expected = {
            "id": (text or pa.types.is_integer(type_), "text or whole numbers"),
            "text": (text, "text"),
            "texts": (text or _is_list(type_), "text or lists of text"),
            "cell": (text or number or pa.types.is_boolean(type_), "single values"),
            "number": (number, "numbers"),
            "integer": (pa.types.is_integer(type_), "whole numbers"),
        }.get(kind, (pa.types.is_integer(type_) or pa.types.is_timestamp(type_), "whole numbers or times"))
        if not fits:
            raise DataError(path.name, f"column {name!r} holds {type_}, expected {expected}")


def _typed(
    source: TableFiles, path: Place, batch: pa.RecordBatch, lines: np.ndarray, bad: Quarantine
) -> tuple[pa.Table, np.ndarray]:
    """A batch in the kinds asked for; rows with a null go to `bad`."""
    missing = np.zeros(len(batch), bool)
    for role, name in source.columns.items():
        if role in source.optional:
            continue
        nulls = pc.is_null(batch[name]).to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(nulls & ~missing).tolist():
            reason = f"{name} is null, expected a value for {role}"
            bad.count(source.table, 1)
            bad.add(BadRow(source.table, path.name, int(lines[row]), quarantine.MISSING, reason))
        missing |= nulls
    kept = batch.filter(pa.array(~missing))
    arrays = []
    for role, name in source.columns.items():
        column, kind = kept[name], source.kinds[role]
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if kind == "id":
            column = column.cast(pa.string()).dictionary_encode()
        elif pa.types.is_timestamp(column.type):
            column = _floor(column.cast(pa.int64()), _PER_SECOND[batch[name].type.unit])
        elif kind.startswith("time:"):
            column = _floor(column.cast(pa.int64()), _PER_SECOND.get(kind.removeprefix("time:"), 1))
        elif kind == "texts" and _is_list(column.type):
            column = pc.fill_null(column.cast(pa.large_list(pa.string())), [])
        else:
            column = column.cast(_TYPES[kind])
        if column.null_count:
            column = pc.fill_null(column, "" if pa.types.is_string(column.type) else 0)
        arrays.append(column)
    return pa.Table.from_arrays(arrays, names=list(source.columns)), lines[~missing]


def _is_list(type_: pa.DataType) -> bool:
    lists = pa.types.is_list(type_) or pa.types.is_large_list(type_)
    return lists and (pa.types.is_string(type_.value_type) or pa.types.is_large_string(type_.value_type))


# --- words ---------------------------------------------------------------------


def _names(columns: Iterable[str]) -> str:
    return ", ".join(columns)


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= 60 else cell[:57] + "...")
