"""Parquet, whose columns have types of their own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.example_gen.errors import DataError
from components.example_gen.reading.places import Place, for_arrow
from components.example_gen.reading.quarantine import SetAside
from components.example_gen.reading.source import Kind, Parquet, Source
from components.example_gen.reading.text_blocks import Span
from components.example_gen.reading.values.times import is_written, unit_of

_ROWS = 500_000
_FEW_ROWS = 10_000


def rows(
    source: Source,
    path: Place,
    span: Span,
    max_line_bytes: int,
    set_aside: SetAside,
    block_bytes: int | None = None,
) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Columns by their meaning, and int64[rows]: the number of each in the file, from 1.

    Raises:
      DataError: the file is damaged, or lacks a column of the right type.
    """
    try:
        with pq.ParquetFile(for_arrow(path)) as file:
            _require_columns(source, path, file.schema_arrow)
            row = span.line
            end = file.num_row_groups if span.end is None else span.end
            for batch in file.iter_batches(
                _ROWS if block_bytes is None else _FEW_ROWS,
                row_groups=list(range(span.start, end)),
                columns=list(dict.fromkeys(source.columns.values())),
            ):
                columns = {role: _readable(batch[name]) for role, name in source.columns.items()}
                yield pa.RecordBatch.from_pydict(columns), np.arange(row, row + len(batch), dtype=np.int64)
                row += len(batch)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(path.name, f"cannot be read as Parquet: {error}; it is damaged or cut off") from error


def header(
    format_: Parquet, path: Place, max_line_bytes: int, block_bytes: int | None = None
) -> tuple[str, ...]:
    """The columns of a file that can be read: single values and lists of them.

    Raises:
      DataError: the file is damaged.
    """
    try:
        schema = pq.read_schema(for_arrow(path))
        return tuple(field.name for field in schema if _fits(field.type, "texts")[0])
    except (pa.ArrowException, OSError) as error:
        raise DataError(path.name, f"cannot be read as Parquet: {error}; it is damaged or cut off") from error


def _readable(column: pa.Array) -> pa.Array:
    """The column with its bytes as text, as some writers have it."""
    type_ = column.type
    if pa.types.is_dictionary(type_):
        values = _readable(column.dictionary)
        return (
            column if values is column.dictionary else pa.DictionaryArray.from_arrays(column.indices, values)
        )
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return column.cast(pa.binary()).view(pa.string())
    if pa.types.is_string_view(type_):
        return column.cast(pa.string())
    return column


def _require_columns(source: Source, path: Place, schema: pa.Schema) -> None:
    for role, name in source.columns.items():
        if schema.names.count(name) != 1:
            found, wanted = ", ".join(schema.names), ", ".join(source.columns.values())
            raise DataError(path.name, f"column {name!r} is missing; found {found}, expected {wanted}")
        type_ = schema.field(name).type
        fits, expected = _fits(type_, source.kinds[role])
        if not fits:
            raise DataError(path.name, f"column {name!r} holds {type_}, expected {expected}")


def _fits(type_: pa.DataType, kind: Kind) -> tuple[bool, str]:
    """Whether a column of a type can hold cells of a kind, and what can."""
    is_ = pa.types
    if is_.is_dictionary(type_):
        type_ = type_.value_type
    text = (
        is_.is_string(type_)
        or is_.is_large_string(type_)
        or is_.is_string_view(type_)
        or is_.is_binary(type_)
        or is_.is_large_binary(type_)
        or is_.is_null(type_)
    )
    number = is_.is_integer(type_) or is_.is_floating(type_) or is_.is_decimal(type_)
    time = is_.is_timestamp(type_) or is_.is_date(type_)
    if kind == "any":
        return True, "anything"
    if kind == "id":
        return text or number, "text or numbers"
    if kind in ("text", "cell"):
        return text or number or time or is_.is_boolean(type_), "single values"
    if kind == "texts":
        lists = is_.is_list(type_) or is_.is_large_list(type_)
        plain = text or number or time or is_.is_boolean(type_)
        return plain or (lists and not is_.is_nested(type_.value_type)), "single values or lists of them"
    if kind in ("number", "finite"):
        return number or text or is_.is_boolean(type_), "numbers"
    if kind == "integer":
        return number or text or time, "whole numbers"
    if is_written(unit_of(kind)):
        return text or time, ("times; for whole numbers give example_gen.time_unit their unit: s, ms or us")
    return number or text or time, "numbers or times"
