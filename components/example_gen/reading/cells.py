"""Cells of one kind -> values of one type, and which cells are none.

This is the one grammar of ids, numbers and times, whatever the format of the file. Arrow's kernels
decide for whole columns; one by one come only cells that are rare in any file: whole numbers with a
sign, blanks or more digits than always fit, and times in a spelling that Arrow lacks.
"""

from __future__ import annotations

import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.reading import quarantine
from components.example_gen.reading.rows.conditions import MISSING_MARKERS
from components.example_gen.reading.source import Kind
from components.example_gen.reading.text_blocks import OPEN_QUOTE
from components.example_gen.reading.values import times
from components.example_gen.reading.values.numbers import (
    MISSING,
    NOT_OF_KIND,
    NOT_UTF8,
    TOO_LARGE,
    numbers,
    whole_numbers,
    years,
)

# Ids repeat a lot: a dictionary column stores each once and an int32 per row.
ID: Final = pa.dictionary(pa.int32(), pa.string())

_EXPECTED: Final = {
    "number": "a number",
    "finite": "a number or nothing",
    "integer": "a whole number",
    "year": "a year",
    "iso": "a time in ISO 8601, such as 2017-12-31 23:59:00",
    "clock": "a time of a day such as 9:05",
}
_EXAMPLE: Final = datetime.datetime(2017, 12, 31, 23, 59, tzinfo=datetime.UTC)


def _expected(kind: Kind) -> str:
    unit = times.unit_of(kind) or kind
    if "%" in unit:
        return f"a time in the format {unit}, such as {_EXAMPLE:{unit}}"
    return _EXPECTED.get(unit, "a whole number")


def _is_time(kind: Kind) -> bool:
    return ":" in kind


def typed(
    column: pa.Array, kind: Kind, missing: tuple[str, ...] = MISSING_MARKERS
) -> tuple[pa.Array, np.ndarray]:
    """The values of a column, and int8[rows]: what is wrong with each cell.

    Args:
      column: text, plain or as a dictionary, whose bytes may be no UTF-8; or what else Parquet
        has for this kind.
      missing: cells (without the blanks around them) that are MISSING as a null is, of all kinds
        but "text".

    Returns:
      `ID` for an id, text, lists of text, float32 or int64 (of a time Unix seconds, rounded
      down); ids and cells without the blanks around them; null where something is wrong.
    """
    if pa.types.is_dictionary(column.type):
        values, wrong = typed(column.dictionary, kind, missing)
        indices = column.indices.cast(pa.int32())
        wrong = np.append(wrong, np.int8(MISSING))[indices.fill_null(len(wrong)).to_numpy()]
        if kind != "id":
            return values.take(indices), wrong
        values = values.dictionary_decode()
        return pa.DictionaryArray.from_arrays(indices, values), wrong
    null = column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        values, wrong = _of_text(column.cast(pa.string()), kind, missing)
    else:
        values, wrong = _of_values(column, kind, missing)
    wrong[null] = MISSING
    if wrong.any():
        values = pc.if_else(pa.array(wrong == 0), values, pa.scalar(None, values.type))
    return values.dictionary_encode() if kind == "id" else values, wrong


def without_nulls(values: pa.Array, kind: Kind) -> pa.Array:
    """The values with "", 0 or no texts in place of nulls; finite numbers keep theirs."""
    if kind == "finite" or not _has_nulls(values):
        return values
    if kind == "id":
        return pc.fill_null(values.cast(pa.string()), "").dictionary_encode()
    if pa.types.is_large_list(values.type):
        return pc.fill_null(values, [])
    return pc.fill_null(values, 0 if kind not in ("text", "cell", "texts") else "")


def problem(name: str, cell: pa.Scalar, kind: Kind, wrong: int) -> tuple[str, str]:
    """(kind of bad row, reason) for a cell of the column `name` in which something is wrong."""
    if isinstance(cell, pa.DictionaryScalar):
        cell = cell.value
    kind_missing = quarantine.MISSING_ID if kind == "id" else quarantine.MISSING
    if not cell.is_valid:
        return kind_missing, f"{name} is null, expected a value"
    if not isinstance(cell, pa.StringScalar):
        found = quarantine.NOT_A_TIME if _is_time(kind) else quarantine.NOT_A_NUMBER
        return kind_missing if wrong == MISSING else found, f"{name} is {cell}, expected {_expected(kind)}"
    text = cell.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")
    if wrong == NOT_UTF8:
        return quarantine.ENCODING, f"{name} is {ascii(text)[:80]}, expected UTF-8 text"
    short = repr(text if len(text) <= 60 else text[:57] + "...")
    if wrong == TOO_LARGE:
        return quarantine.BAD_TIME, f"{name} is {short}, which is beyond any time"
    if kind == "id" and wrong == NOT_OF_KIND:
        return OPEN_QUOTE, f"{name} is {short}, over several lines; expected an id (is a quote not closed?)"
    if kind in ("id", "cell"):
        return kind_missing, f"{name} is {short}, expected {'an id' if kind == 'id' else 'a value'}"
    found = quarantine.NOT_A_TIME if _is_time(kind) else quarantine.NOT_A_NUMBER
    return quarantine.MISSING if wrong == MISSING else found, f"{name} is {short}, expected {_expected(kind)}"


def _of_text(column: pa.Array, kind: Kind, missing: tuple[str, ...]) -> tuple[pa.Array, np.ndarray]:
    column, broken = decoded(column)
    if kind == "text":
        return column, np.where(broken, np.int8(NOT_UTF8), np.int8(0))
    if kind in ("id", "cell", "texts"):
        values, wrong = pc.utf8_trim_whitespace(column), np.zeros(len(column), np.int8)
        if kind == "id":
            wrong[mask(pc.match_substring(values, "\n"))] = NOT_OF_KIND
    elif _is_time(kind):
        values, wrong = times.seconds(column, kind)
    else:
        convert = {"integer": whole_numbers, "year": years}.get(kind, numbers)
        values, wrong = convert(column)
        if kind == "finite":
            wrong[_infinite(values)] = NOT_OF_KIND
    # No marker of our own is a whole number or a time, but one of the config may be: 0 or -1.
    if wrong.any() or missing != MISSING_MARKERS or not (_is_time(kind) or kind == "integer"):
        marked = pc.is_in(pc.utf8_trim_whitespace(column), pa.array(["", *missing]))
        wrong[mask(marked)] = MISSING
    wrong[broken] = NOT_UTF8
    return values, wrong


def _of_values(column: pa.Array, kind: Kind, missing: tuple[str, ...]) -> tuple[pa.Array, np.ndarray]:
    """The same of a column that has another type than text: its values as text may be markers."""
    type_ = column.type
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return column.cast(pa.large_list(pa.string())), np.zeros(len(column), np.int8)
    values, wrong = _converted(column, kind)
    # Only those of the config: such columns write what is missing as null.
    if kind != "text" and (markers := set(missing) - set(MISSING_MARKERS)):
        wrong[mask(pc.is_in(column.cast(pa.string()), pa.array(sorted(markers))))] = MISSING
    return values, wrong


def _converted(column: pa.Array, kind: Kind) -> tuple[pa.Array, np.ndarray]:
    wrong = np.zeros(len(column), np.int8)
    type_ = column.type
    fractional = pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    if kind == "id" and fractional:
        return _ids(column, wrong), wrong
    if kind in ("id", "text", "cell", "texts"):
        return column.cast(pa.string()), wrong
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        if kind == "year":
            return pc.year(column), wrong
        column = column.cast(pa.timestamp("s")) if pa.types.is_date(type_) else column
        values = times.floor(column.cast(pa.int64()), times.PER_SECOND[column.type.unit])
        return (values if column.type.tz else times.utc(values, kind)), wrong
    if pa.types.is_boolean(type_):
        column = column.cast(pa.int8())
    if kind in ("number", "finite"):
        values = column.cast(pa.float64(), safe=False).cast(pa.float32(), safe=False)
        if kind == "finite":
            wrong[_infinite(values)] = NOT_OF_KIND
            wrong[mask(pc.is_nan(values))] = MISSING  # as pandas writes it
        return values, wrong
    unit = times.unit_of(kind)
    if times.is_written(unit):  # a whole number has no unit then
        wrong[:] = NOT_OF_KIND
    if fractional:
        column = column.cast(pa.float64(), safe=False)
        wrong[_infinite(column)] = MISSING
        column = pc.floor(pc.if_else(pa.array(wrong == 0), column, pa.scalar(0.0)))
    values = column.cast(pa.int64(), safe=False)
    return times.in_seconds(values, unit) if unit in (*times.PER_SECOND, *times.SECONDS) else values, wrong


def _ids(column: pa.Array, wrong: np.ndarray) -> pa.Array:
    """Ids of a column that has fractions because some are missing: whole numbers are written as such."""
    values = column.cast(pa.float64(), safe=False)
    wrong[_infinite(values)] = MISSING
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), 2**53))
    whole = pc.fill_null(whole, False)
    texts = pc.if_else(whole, values, 0.0).cast(pa.int64()).cast(pa.string())
    return pc.if_else(whole, texts, column.cast(pa.string()))


def decoded(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """The column with "" in place of what is no UTF-8, and bool[rows]: where that is."""
    broken = np.zeros(len(column), bool)
    data = column.cast(pa.binary())
    try:
        data.cast(pa.string())
    except pa.ArrowInvalid:
        broken[:] = [not _is_utf8(cell) for cell in data.to_pylist()]
        data = pc.if_else(pa.array(broken), pa.scalar(b"", pa.binary()), data)
        column = data.cast(pa.string())
    return column, broken


def _has_nulls(values: pa.Array) -> bool:
    inside = values.dictionary.null_count if pa.types.is_dictionary(values.type) else 0
    return bool(values.null_count or inside)


def mask(found: pa.Array) -> np.ndarray:
    """bool[rows]"""
    return pc.fill_null(found, False).to_numpy(zero_copy_only=False)


def _is_utf8(cell: bytes | None) -> bool:
    try:
        (cell or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _infinite(values: pa.Array) -> np.ndarray:
    return pc.invert(pc.fill_null(pc.is_finite(values), True)).to_numpy(zero_copy_only=False)
