"""Columns of the user's own tables (features of items and users) as lists, numbers and texts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common import ragged
from components.common.features import FeatureSpec
from components.example_gen.reading import quarantine
from components.example_gen.reading.quarantine import BadRow, Quarantine
from components.example_gen.reading.tables import Chunk, TableFiles

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?$"
_MAX = float(np.finfo(np.float32).max)


def add_bad(source: TableFiles, chunk: Chunk, row: int, kind: str, reason: str, bad: Quarantine) -> None:
    """Sets one row of a chunk aside."""
    bad.add(BadRow(source.table, source.files[chunk.file].name, int(chunk.lines[row]), kind, reason))


def good(
    source: TableFiles, chunk: Chunk, specs: Iterable[FeatureSpec], asked: np.ndarray, bad: Quarantine
) -> np.ndarray:
    """bool[rows]: which of the `asked` rows have numbers where there must be; the others go to `bad`."""
    result = asked.copy()
    for spec in specs:
        if spec.kind != "number":
            continue
        cells = _trimmed(chunk.table[spec.name])
        number = pc.match_substring_regex(cells, _NUMBER).to_numpy(zero_copy_only=False)
        broken = ~(number | pc.equal(cells, "").to_numpy(zero_copy_only=False))
        broken[number] = np.abs(cells.filter(pa.array(number)).cast(pa.float64()).to_numpy()) >= _MAX
        for row in np.flatnonzero(broken & result).tolist():
            reason = f"{source.columns[spec.name]} is {cells[row].as_py()!r}, expected a number or nothing"
            add_bad(source, chunk, row, quarantine.NOT_A_NUMBER, reason, bad)
        result &= ~broken
    return result


def append(table: pa.Table, cells: pa.Table, specs: Iterable[FeatureSpec], separator: str) -> pa.Table:
    """`table` with a column per feature: lists of strings or of one number or none; texts as they are.

    Args:
      table: any, of the same rows.
      cells: by name of the feature, text (a multi's may be lists); numbers are `good`.
    """
    for spec in specs:
        column = cells[spec.name].combine_chunks()
        table = table.append_column(spec.name, _column(spec, column, separator))
    return table


def _column(spec: FeatureSpec, column: pa.Array, separator: str) -> pa.Array:
    if spec.kind == "text":
        return column.cast(pa.large_string())
    if spec.kind == "multi" and pa.types.is_large_list(column.type):
        return _lists(column.flatten(), np.repeat(np.arange(len(column)), column.value_lengths()), column)
    if spec.kind == "multi":
        parts = pc.split_pattern(column, separator)
        return _lists(pc.list_flatten(parts), pc.list_parent_indices(parts).to_numpy(), column)
    lists = _lists(column, np.arange(len(column)), column)
    return lists.cast(pa.large_list(pa.float32())) if spec.kind == "number" else lists


def _lists(values: pa.Array, rows: np.ndarray, of: pa.Array) -> pa.LargeListArray:
    """The values of each row, trimmed, without empty and repeated ones."""
    values = _trimmed(values)
    seen = pa.table({"row": rows, "value": values, "at": np.arange(len(rows))})
    first = seen.filter(pc.not_equal(seen["value"], "")).group_by(["row", "value"]).aggregate([("at", "min")])
    kept = np.sort(first["at_min"].to_numpy())
    return ragged.from_rows(rows[kept], values.take(pa.array(kept)).cast(pa.large_string()), len(of))


def _trimmed(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pc.utf8_trim_whitespace(whole)
