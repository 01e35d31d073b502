"""Text with a delimiter between the columns, by Arrow's parser."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from components.example_gen.errors import DataError
from components.example_gen.reading import cells, quarantine, text_blocks
from components.example_gen.reading.places import Place
from components.example_gen.reading.quarantine import SetAside
from components.example_gen.reading.source import Delimited, Source
from components.example_gen.reading.text_blocks import WHOLE, BadLine, Block, Span

_DELIMITERS: Final = (";", "\t", "|", ",", ":")
_LEAST_BLOCK_BYTES: Final = 1 << 22  # what Arrow gives to a thread
_LOOKED_AT: Final = 100  # records
_DECIMALS: Final = ("number", "finite", "time:s", "time:ms", "time:us", "time:ns")
# A header that says types too, as RecBole's atomic files have.
_TYPED: Final = re.compile(r"(.+):(token|token_seq|float|float_seq)")


def rows(
    source: Source,
    path: Place,
    span: Span,
    max_line_bytes: int,
    set_aside: SetAside,
    block_bytes: int | None = None,
) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Columns of text by their meaning, perhaps of no UTF-8, and int64[rows]: the line of each.

    Lines that are no records, and records with too few or too many columns, are set aside.

    Raises:
      DataError: the file is no text, or its header lacks a column.
    """
    format_ = source.format
    assert isinstance(format_, Delimited)
    names = format_.names
    if names is None and span.start:
        names = header(format_, path, max_line_bytes)
        _require_columns(source, path, names)
    for block in _blocks(format_, path, max_line_bytes, span, block_bytes):
        if isinstance(block, BadLine):
            if names is None:
                raise _bad_header(path, block)
            set_aside(block.line, block.kind, block.reason)
            continue
        if names is None and len(block.starts):
            block, names, line = _behind_header(format_, path, block)
            _require_columns(source, path, names, line)
        if names is not None and len(block.starts):
            table, lines = _parsed(source, format_, names, block, set_aside)
            if block_bytes is not None:
                table = table.combine_chunks()  # a sample is one batch
            for batch in table.to_batches():
                yield batch, lines[: len(batch)]
                lines = lines[len(batch) :]
    if names is None:
        raise _no_header(path, source.columns.values())


def _blocks(
    format_: Delimited, path: Place, max_line_bytes: int, span: Span, block_bytes: int | None = None
) -> Iterator[Block | BadLine]:
    more: dict[str, Any] = {} if block_bytes is None else {"block_bytes": block_bytes}
    return text_blocks.blocks(
        path,
        encoding=format_.encoding,
        quoted=format_.quoted,
        max_line_bytes=max_line_bytes,
        delimiter=format_.delimiter,
        comment=format_.comment,
        head_comment=format_.head_comment,
        above=format_.above,
        span=span,
        **more,
    )


def header(
    format_: Delimited, path: Place, max_line_bytes: int, block_bytes: int | None = None
) -> tuple[str, ...]:
    """The columns of a file: those that its header names, or the format.

    Raises:
      DataError: the file is no text, or empty.
    """
    if format_.names is not None:
        return format_.names
    for block in _blocks(format_, path, max_line_bytes, WHOLE, block_bytes):
        if isinstance(block, BadLine):
            raise _bad_header(path, block)
        if len(block.starts):
            return _behind_header(format_, path, block)[1]
    raise _no_header(path, ())


def _bad_header(path: Place, line: BadLine) -> DataError:
    return DataError(path.name, f"the header is {line.reason}", line.line)


def _no_header(path: Place, names: Iterable[str]) -> DataError:
    wanted = f" with {', '.join(names)}" if names else ""
    return DataError(path.name, f"is empty; expected a header line{wanted}")


def _behind_header(
    format_: Delimited, path: Place, block: Block
) -> tuple[Block, tuple[str, ...], tuple[int, str]]:
    """What comes after the header, which is the block's first record, the names in it, and its line."""
    line = int(block.lines[0])
    end = int(block.starts[1]) if len(block.starts) > 1 else len(block.data)
    try:
        text = block.data[int(block.starts[0]) : end].decode()
    except UnicodeDecodeError as error:
        raise DataError(
            path.name,
            "the header is not UTF-8; save the file as UTF-8 or set example_gen.encoding: latin-1",
            line,
        ) from error
    names = tuple(next(records(format_, text)))
    if all(typed := [_TYPED.fullmatch(name) for name in names]):
        names = tuple(match[1] for match in typed if match)
    first = block.line + block.data[:end].count(b"\n")
    rest = Block(first, block.data[end:], block.starts[1:] - end, block.lines[1:], block.joined)
    return rest, _widened(format_, names, rest), (line, text)


def records(format_: Delimited, text: str) -> Iterator[list[str]]:
    """The records of lines in which one byte is between the columns, as `text_blocks` has them."""
    csv.field_size_limit(2 * text_blocks.BLOCK_BYTES)  # a line is bounded; the module's limit is lower
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if format_.quoted else csv.QUOTE_NONE
    return csv.reader(
        io.StringIO(text, newline=""), delimiter=text_blocks.one_byte(format_.delimiter), quoting=quoting
    )


def _widened(format_: Delimited, names: tuple[str, ...], block: Block) -> tuple[str, ...]:
    """The names, with one more where all rows have one cell more: an empty last or a number first."""
    starts = block.starts[: _LOOKED_AT + 1]
    data = block.data[: int(starts[-1])] if len(starts) > 1 else block.data
    rows = list(records(format_, data.decode("utf-8", "replace")))[:_LOOKED_AT]
    rows = [row for row in rows if row]
    if not rows or any(len(row) != len(names) + 1 for row in rows):
        return names
    if not any(row[-1].strip() for row in rows):
        return (*names, "")
    # As R writes a table with the numbers of its rows.
    return ("", *names) if all(row[0].isdigit() for row in rows) else names


def _require_columns(
    source: Source, path: Place, names: tuple[str, ...], first: tuple[int, str] = (1, "")
) -> None:
    """Stops where a header lacks a column, or has it twice.

    Args:
      first: number and text of the header's line.

    Raises:
      DataError: so it is; says what the header looks like instead.
    """
    for name in source.columns.values():
        if names.count(name) == 1:
            continue
        problem = "is missing" if name not in names else "appears more than once"
        found, wanted = ", ".join(names), ", ".join(source.columns.values())
        if first[1].lstrip().startswith("{"):
            wanted += "; the line is JSON: example_gen.layout must be auto or json"
        elif len(names) == 1 and (other := _likely_delimiter(first[1])):
            wanted += f"; it looks as if {other!r} were between the columns: set example_gen.delimiter"
        elif any(map(_is_number, names)) and not any(_is_number(name) for name in source.columns.values()):
            wanted += (
                "; the first line looks like data: example_gen.names names the columns of such files, or "
                "example_gen.columns takes their numbers, from 1"
            )
        raise DataError(path.name, f"column {name!r} {problem}; found {found}, expected {wanted}", first[0])


def _likely_delimiter(header: str) -> str | None:
    most = max(_DELIMITERS, key=header.count)
    return most if most in header else None


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _parsed(
    source: Source, format_: Delimited, names: tuple[str, ...], block: Block, set_aside: SetAside
) -> tuple[pa.Table, np.ndarray]:
    """A block's records of the right width, and their lines."""
    table, others = _arrow(source, format_, names, block)
    for record in others:
        reason = f"{record.actual_columns} columns, expected {len(names)} ({', '.join(names)})"
        set_aside(int(block.lines[record.number - 1]), quarantine.WIDTH, reason)
    lines = np.delete(block.lines, [record.number - 1 for record in others])
    if len(lines) != len(table):
        raise AssertionError(f"{len(table)} rows of {len(block.lines)} records, {len(others)} set aside")
    return table, lines


def _arrow(
    source: Source, format_: Delimited, names: tuple[str, ...], block: Block, use_threads: bool = True
) -> tuple[pa.Table, list[pv.InvalidRow]]:
    """Columns by their meaning, and the records that have too few or too many."""
    others: list[pv.InvalidRow] = []

    def skip(record: pv.InvalidRow) -> str:
        others.append(record)
        return "skip"

    # Arrow decodes what it hands to `skip`; where it could not, every byte is a character for the while.
    utf8 = _is_utf8(block.data)
    data = block.data if utf8 else block.data.decode("latin-1").encode()
    if data.startswith(codecs.BOM_UTF8):
        data = codecs.BOM_UTF8 + data  # Arrow takes one away, wherever in the file the block begins
    longest = 2 * int(np.diff(np.append(block.starts, len(block.data))).max())
    positions = [str(position) for position in range(len(names))]
    wanted = {role: positions[names.index(name)] for role, name in source.columns.items()}
    table = pv.read_csv(
        pa.BufferReader(data),
        pv.ReadOptions(
            column_names=positions,
            use_threads=use_threads,
            block_size=max(_LEAST_BLOCK_BYTES, longest + 1),
        ),
        pv.ParseOptions(
            delimiter=text_blocks.one_byte(format_.delimiter),
            quote_char='"' if format_.quoted else False,
            newlines_in_values=block.joined,
            invalid_row_handler=skip,
        ),
        pv.ConvertOptions(
            check_utf8=False,
            column_types=_types(source, wanted),
            include_columns=list(dict.fromkeys(wanted.values())),
            null_values=[],
            strings_can_be_null=False,
        ),
    )
    if others and use_threads:  # which gave no numbers to the records
        return _arrow(source, format_, names, block, use_threads=False)
    columns = {role: table[name] for role, name in wanted.items()}
    if not utf8:
        columns = {role: _changed(column, _bytes) for role, column in columns.items()}
    if format_.quoted and text_blocks.one_byte(format_.delimiter) != format_.delimiter:
        columns = {role: _changed(column, _unseparated(format_)) for role, column in columns.items()}
    if format_.decimal == ",":
        compared = {
            each.role for each in (*source.keep, *source.drop) if each.operator not in ("in", "missing")
        }
        for role in columns:
            if source.kinds[role] in _DECIMALS or role in compared:
                columns[role] = _changed(columns[role], _with_a_point)
    return pa.table(columns), others


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _changed(column: pa.ChunkedArray, change: Callable[[pa.StringArray], pa.StringArray]) -> pa.ChunkedArray:
    """The column with other texts, of a dictionary each of them once."""
    chunks = []
    for chunk in column.chunks:
        if pa.types.is_dictionary(column.type):
            chunks.append(pa.DictionaryArray.from_arrays(chunk.indices, change(chunk.dictionary)))
        else:
            chunks.append(change(chunk))
    return pa.chunked_array(chunks, column.type)


def _bytes(values: pa.StringArray) -> pa.StringArray:
    """Text with the bytes of which it has the characters, perhaps no UTF-8 then."""
    return pa.array([text.encode("latin-1") for text in values.to_pylist()], pa.binary()).view(pa.string())


def _unseparated(format_: Delimited) -> Callable[[pa.StringArray], pa.StringArray]:
    """Puts a delimiter of two characters back into quoted values."""
    return lambda values: pc.replace_substring(values, text_blocks.UNIT_SEPARATOR, format_.delimiter)


def _with_a_point(values: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring(values, ",", ".")


def _types(source: Source, wanted: Mapping[str, str]) -> dict[str, pa.DataType]:
    """Text for all; of ids and ratings, which repeat, each value once."""
    return {
        position: cells.ID if source.kinds[role] in ("id", "number") else pa.string()
        for role, position in wanted.items()
    }
