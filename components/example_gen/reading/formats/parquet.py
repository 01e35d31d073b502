"""Parquet, whose columns have types of their own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.example_gen.errors import DataError
from components.example_gen.reading.places import Place, for_arrow
from components.example_gen.reading.quarantine import SetAside
from components.example_gen.reading.source import Kind, Source
from components.example_gen.reading.text_blocks import Span

_ROWS = 500_000


def rows(
    source: Source, path: Place, span: Span, max_line_bytes: int, set_aside: SetAside
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
                _ROWS,
                row_groups=list(range(span.start, end)),
                columns=list(dict.fromkeys(source.columns.values())),
            ):
                columns = {role: batch[name] for role, name in source.columns.items()}
                yield pa.RecordBatch.from_pydict(columns), np.arange(row, row + len(batch), dtype=np.int64)
                row += len(batch)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(path.name, f"cannot be read as Parquet: {error}; it is damaged or cut off") from error


def _require_columns(source: Source, path: Place, schema: pa.Schema) -> None:
    for role, name in source.columns.items():
        if schema.names.count(name) != 1:
            found, wanted = ", ".join(schema.names), ", ".join(source.columns.values())
            raise DataError(path.name, f"column {name!r} is missing; found {found}, expected {wanted}")
        type_ = schema.field(name).type
        if pa.types.is_dictionary(type_):
            type_ = type_.value_type
        fits, expected = _fits(type_, source.kinds[role])
        if not fits:
            raise DataError(path.name, f"column {name!r} holds {type_}, expected {expected}")


def _fits(type_: pa.DataType, kind: Kind) -> tuple[bool, str]:
    """Whether a column of a type can hold cells of a kind, and what can."""
    text = pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)
    integer = pa.types.is_integer(type_)
    number = integer or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    if kind == "id":
        return text or integer, "text or whole numbers"
    if kind in ("text", "cell"):
        return text or number or pa.types.is_boolean(type_), "single values"
    if kind == "texts":
        lists = pa.types.is_list(type_) or pa.types.is_large_list(type_)
        of_text = lists and (
            pa.types.is_string(type_.value_type) or pa.types.is_large_string(type_.value_type)
        )
        return text or of_text, "text or lists of text"
    if kind == "number":
        return number, "numbers"
    if kind == "finite":
        return number or text, "numbers"
    if kind == "integer":
        return integer, "whole numbers"
    if kind == "time:iso":
        return pa.types.is_timestamp(type_), (
            "times; for whole numbers give example_gen.time_unit their unit: s, ms or us"
        )
    return integer or pa.types.is_timestamp(type_), "whole numbers or times"
