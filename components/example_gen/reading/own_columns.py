"""Columns of the user's own tables (features of items and users) as lists, numbers and texts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common import ragged
from components.common.features import FeatureSpec
from components.example_gen.reading.source import Kind


def kinds(specs: Iterable[FeatureSpec]) -> dict[str, Kind]:
    """What the cells of each feature must be, by its name."""
    of: dict[str, Kind] = {"multi": "texts", "number": "finite"}
    return {spec.name: of.get(spec.kind, "cell") for spec in specs}


def append(table: pa.Table, cells: pa.Table, specs: Iterable[FeatureSpec], separator: str) -> pa.Table:
    """`table` with a column per feature: lists of strings or of one number or none; texts as they are.

    Args:
      table: any, of the same rows.
      cells: by name of the feature, read as `kinds` says.
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
    if spec.kind == "number":
        return ragged.from_rows(np.flatnonzero(column.is_valid()), column.drop_null(), len(column))
    return _lists(column, np.arange(len(column)), column)


def _lists(values: pa.Array, rows: np.ndarray, of: pa.Array) -> pa.LargeListArray:
    """The values of each row, trimmed, without empty and repeated ones."""
    values = pc.utf8_trim_whitespace(values)
    seen = pa.table({"row": rows, "value": values, "at": np.arange(len(rows))})
    first = seen.filter(pc.not_equal(seen["value"], "")).group_by(["row", "value"]).aggregate([("at", "min")])
    kept = np.sort(first["at_min"].to_numpy())
    return ragged.from_rows(rows[kept], values.take(pa.array(kept)).cast(pa.large_string()), len(of))
