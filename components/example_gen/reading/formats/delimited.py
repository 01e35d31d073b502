"""Text with a delimiter between the columns, by Arrow's parser."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv

from components.example_gen.errors import DataError
from components.example_gen.reading import cells, quarantine, text_blocks
from components.example_gen.reading.places import Place
from components.example_gen.reading.quarantine import SetAside
from components.example_gen.reading.source import Delimited, Source
from components.example_gen.reading.text_blocks import WHOLE, BadLine, Block, Span

_DELIMITERS = (";", "\t", "|", ",", ":")
_LEAST_BLOCK_BYTES = 1 << 22  # what Arrow gives to a thread


def rows(
    source: Source, path: Place, span: Span, max_line_bytes: int, set_aside: SetAside
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
        names = _names(source, path, max_line_bytes)
    for block in _blocks(format_, path, max_line_bytes, span):
        if isinstance(block, BadLine):
            if names is None:
                raise _bad_header(path, block)
            set_aside(block.line, block.kind, block.reason)
            continue
        if names is None and len(block.starts):
            block, names = _behind_header(source, path, block)
        if names is not None and len(block.starts):
            table, lines = _parsed(source, format_, names, block, set_aside)
            for batch in table.to_batches():
                yield batch, lines[: len(batch)]
                lines = lines[len(batch) :]
    if names is None:
        raise _no_header(source, path)


def _blocks(format_: Delimited, path: Place, max_line_bytes: int, span: Span) -> Iterator[Block | BadLine]:
    return text_blocks.blocks(
        path,
        latin1=format_.encoding == "latin-1",
        quoted=format_.quoted,
        max_line_bytes=max_line_bytes,
        delimiter=format_.delimiter,
        span=span,
    )


def _names(source: Source, path: Place, max_line_bytes: int) -> tuple[str, ...]:
    """The columns that a file's header names."""
    assert isinstance(source.format, Delimited)
    for block in _blocks(source.format, path, max_line_bytes, WHOLE):
        if isinstance(block, BadLine):
            raise _bad_header(path, block)
        if len(block.starts):
            return _behind_header(source, path, block)[1]
    raise _no_header(source, path)


def _bad_header(path: Place, line: BadLine) -> DataError:
    return DataError(path.name, f"the header is {line.reason}", line.line)


def _no_header(source: Source, path: Place) -> DataError:
    wanted = ", ".join(source.columns.values())
    return DataError(path.name, f"is empty; expected a header line with {wanted}")


def _behind_header(source: Source, path: Place, block: Block) -> tuple[Block, tuple[str, ...]]:
    """What comes after the header, which is the block's first record, and the names in it."""
    format_, line = source.format, int(block.lines[0])
    assert isinstance(format_, Delimited)
    end = int(block.starts[1]) if len(block.starts) > 1 else len(block.data)
    try:
        text = block.data[int(block.starts[0]) : end].decode()
    except UnicodeDecodeError as error:
        raise DataError(
            path.name,
            "the header is not UTF-8; save the file as UTF-8 or set example_gen.encoding: latin-1",
            line,
        ) from error
    csv.field_size_limit(2 * text_blocks.BLOCK_BYTES)  # a header is bounded as a line; the module's is lower
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if format_.quoted else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(format_), quoting=quoting)
    names = tuple(next(reader))
    for name in source.columns.values():
        if names.count(name) != 1:
            problem = "is missing" if name not in names else "appears more than once"
            found, wanted = ", ".join(names), ", ".join(source.columns.values())
            if len(names) == 1 and (other := _likely_delimiter(text)):
                wanted += f"; it looks as if {other!r} were between the columns: set example_gen.delimiter"
            elif all(_is_number(name) for name in names):
                wanted += (
                    "; the first line looks like data: example_gen.names names the columns of such files"
                )
            raise DataError(path.name, f"column {name!r} {problem}; found {found}, expected {wanted}", line)
    first = block.line + block.data[:end].count(b"\n")
    return Block(first, block.data[end:], block.starts[1:] - end, block.lines[1:], block.joined), names


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
            delimiter=_delimiter(format_),
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
        columns = {role: _as_it_was(column) for role, column in columns.items()}
    return pa.table(columns), others


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _as_it_was(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text with the bytes of which it had the characters, perhaps no UTF-8 then."""
    chunks = []
    for chunk in column.chunks:
        values = chunk.dictionary if pa.types.is_dictionary(column.type) else chunk
        raw = pa.array([text.encode("latin-1") for text in values.to_pylist()], pa.binary()).view(pa.string())
        if pa.types.is_dictionary(column.type):
            raw = pa.DictionaryArray.from_arrays(chunk.indices, raw)
        chunks.append(raw)
    return pa.chunked_array(chunks, column.type)


def _types(source: Source, wanted: Mapping[str, str]) -> dict[str, pa.DataType]:
    """Text for all; of ids and ratings, which repeat, each value once."""
    return {
        position: cells.ID if source.kinds[role] in ("id", "number") else pa.string()
        for role, position in wanted.items()
    }


def _delimiter(format_: Delimited) -> str:
    return text_blocks.UNIT_SEPARATOR if len(format_.delimiter) > 1 else format_.delimiter
