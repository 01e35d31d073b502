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
from components.example_gen.reading.source import MISSING_MARKERS, Kind
from components.example_gen.reading.text_blocks import OPEN_QUOTE

# Ids repeat a lot: a dictionary column stores each once and an int32 per row.
ID: Final = pa.dictionary(pa.int32(), pa.string())

# What is wrong with a cell; 0 is nothing.
MISSING: Final = 1
NOT_OF_KIND: Final = 2
TOO_LARGE: Final = 3
NOT_UTF8: Final = 4

_EXPECTED: Final = {
    "number": "a number",
    "finite": "a number or nothing",
    "time:iso": "a time in ISO 8601",
}
_NUMBER: Final = r"^(?i:[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity))$"
_FRACTION: Final = r"^(-?[0-9]+)\.[0-9]*$"
_INTEGER: Final = r"^-?[0-9]+$"
_ZONE: Final = r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$"
_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_SAFE_DIGITS: Final = 18  # of any whole number in int64
_INT64: Final = np.iinfo(np.int64)


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
        found = kind_missing if wrong == MISSING else quarantine.NOT_A_NUMBER
        return found, f"{name} is {cell}, expected {_EXPECTED.get(kind, 'a value')}"
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
    found = quarantine.MISSING if wrong == MISSING else quarantine.NOT_A_NUMBER
    return found, f"{name} is {short}, expected {_EXPECTED.get(kind, 'a whole number')}"


def _of_text(column: pa.Array, kind: Kind, missing: tuple[str, ...]) -> tuple[pa.Array, np.ndarray]:
    column, broken = _decoded(column)
    if kind == "text":
        return column, np.where(broken, np.int8(NOT_UTF8), np.int8(0))
    if kind in ("id", "cell", "texts"):
        values, wrong = pc.utf8_trim_whitespace(column), np.zeros(len(column), np.int8)
        if kind == "id":
            wrong[_mask(pc.match_substring(values, "\n"))] = NOT_OF_KIND
    else:
        convert = {"number": _numbers, "finite": _numbers, "integer": _integers, "time:iso": _times}.get(
            kind, _unix_times
        )
        values, wrong = convert(column)
        if kind == "finite":
            wrong[_infinite(values)] = NOT_OF_KIND
        values = _seconds(values, kind)
    # No marker of our own is a whole number or a time, but one of the config may be: 0 or -1.
    if wrong.any() or missing != MISSING_MARKERS or not kind.startswith(("time:", "integer")):
        marked = pc.is_in(pc.utf8_trim_whitespace(column), pa.array(["", *missing]))
        wrong[_mask(marked)] = MISSING
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
        wrong[_mask(pc.is_in(column.cast(pa.string()), pa.array(sorted(markers))))] = MISSING
    return values, wrong


def _converted(column: pa.Array, kind: Kind) -> tuple[pa.Array, np.ndarray]:
    wrong = np.zeros(len(column), np.int8)
    type_ = column.type
    if kind in ("id", "text", "cell", "texts"):
        return column.cast(pa.string()), wrong
    if pa.types.is_timestamp(type_):
        return _floor(column.cast(pa.int64()), _PER_SECOND[type_.unit]), wrong
    if kind in ("number", "finite"):
        values = column.cast(pa.float64(), safe=False).cast(pa.float32(), safe=False)
        if kind == "finite":
            wrong[_infinite(values)] = NOT_OF_KIND
            wrong[_mask(pc.is_nan(values))] = MISSING  # as pandas writes it
        return values, wrong
    if kind == "time:iso":  # a whole number has no unit then
        wrong[:] = NOT_OF_KIND
    return _seconds(column.cast(pa.int64()), kind), wrong


def _decoded(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
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


def _mask(found: pa.Array) -> np.ndarray:
    """bool[rows]"""
    return pc.fill_null(found, False).to_numpy(zero_copy_only=False)


def _is_utf8(cell: bytes | None) -> bool:
    try:
        (cell or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _numbers(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    trimmed = pc.utf8_trim_whitespace(column)
    fits = pc.fill_null(pc.match_substring_regex(trimmed, _NUMBER), False)
    values = pc.if_else(fits, trimmed, "0").cast(pa.float64()).cast(pa.float32(), safe=False)
    return values, _where(fits)


def _infinite(values: pa.Array) -> np.ndarray:
    return pc.invert(pc.fill_null(pc.is_finite(values), True)).to_numpy(zero_copy_only=False)


def _unix_times(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Whole numbers, and numbers with a fraction (as pandas writes times with gaps) rounded down."""
    if pc.any(pc.match_substring(column, ".")).as_py():
        whole = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), _FRACTION, r"\1")
        values, wrong = _integers(whole)
        below = pc.match_substring_regex(column, r"^\s*-[0-9]+\.[0-9]*[1-9]")
        return pc.subtract(values, pc.cast(pc.fill_null(below, False), pa.int64())), wrong
    return _integers(column)


def _integers(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    # Arrow's own parser takes hexadecimal too, so digits are looked for first.
    plain = pc.and_(pc.ascii_is_decimal(column), pc.less_equal(pc.binary_length(column), _SAFE_DIGITS))
    plain = pc.fill_null(plain, False)
    values = pc.if_else(plain, column, "0").cast(pa.int64())
    wrong = np.zeros(len(column), np.int8)
    rest = np.flatnonzero(_where(plain))
    if not rest.size:
        return values, wrong
    trimmed = pc.fill_null(pc.utf8_trim_whitespace(column.take(pa.array(rest))), "")
    wrong[rest] = _where(pc.match_substring_regex(trimmed, _INTEGER))
    numbers = values.to_numpy().copy()
    for row, cell in zip(rest.tolist(), trimmed.to_pylist(), strict=True):
        if not wrong[row]:
            # Python refuses to convert thousands of digits, which are beyond any time anyway.
            number = int(cell) if len(cell) < 1_000 else _INT64.max + 1
            if _INT64.min <= number <= _INT64.max:
                numbers[row] = number
            else:
                wrong[row] = TOO_LARGE
    return pa.array(numbers), wrong


def _times(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """ISO 8601 -> Unix microseconds; UTC where no zone is named."""
    cells = pc.utf8_trim_whitespace(column)
    zoned = pc.fill_null(pc.match_substring_regex(cells, _ZONE), False)
    try:
        naive = pc.if_else(zoned, "1970-01-01", cells).cast(pa.timestamp("us"))
        aware = pc.if_else(zoned, cells, "1970-01-01T00:00Z").cast(pa.timestamp("us", "UTC"))
        values = pc.if_else(zoned, aware.cast(pa.int64()), naive.cast(pa.int64()))
        return values, np.zeros(len(column), np.int8)
    except pa.ArrowInvalid:
        found = [_microseconds(cell) for cell in cells.to_pylist()]
        values = pa.array([time or 0 for time in found], pa.int64())
        return values, np.array([NOT_OF_KIND if time is None else 0 for time in found], np.int8)


def _microseconds(cell: str | None) -> int | None:
    try:
        time = datetime.datetime.fromisoformat(cell or "")
    except ValueError:
        return None
    since = (time if time.tzinfo else time.replace(tzinfo=datetime.UTC)) - _EPOCH
    return since // datetime.timedelta(microseconds=1)


_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _where(fits: pa.Array) -> np.ndarray:
    """int8[rows]: NOT_OF_KIND where `fits` is false."""
    return np.where(fits.to_numpy(zero_copy_only=False), np.int8(0), np.int8(NOT_OF_KIND))


def _seconds(values: pa.Array, kind: Kind) -> pa.Array:
    """Times in the unit of a kind as seconds; whatever else as it is."""
    unit = "us" if kind == "time:iso" else kind.removeprefix("time:")
    return _floor(values, _PER_SECOND[unit]) if unit in ("ms", "us") else values


def _floor(values: pa.Array, divisor: int) -> pa.Array:
    # Downwards also below 0, so that nothing before 1970 becomes 1970.
    whole = values.fill_null(0).to_numpy() // divisor
    return pa.array(whole, mask=values.is_null().to_numpy(zero_copy_only=False))
