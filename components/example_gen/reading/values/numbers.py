"""Numbers, as text -> as numbers."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# What is wrong with a cell; 0 is nothing.
MISSING: Final = 1
NOT_OF_KIND: Final = 2
TOO_LARGE: Final = 3
NOT_UTF8: Final = 4

_NUMBER: Final = r"^(?i:[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity))$"
_INTEGER: Final = r"^-?[0-9]+$"
# "1991", "1991.0", "1991-03-02", "1991/3/2 00:00"; "02/03/1991", "March 2, 1991".
_YEARS: Final = (
    r"^\s*(?P<year>\d{4})(?:\.0*)?\s*$",
    r"^\s*(?P<year>\d{4})[-/.]\d{1,2}(?:\D.*)?$",
    r"^\D*\d{0,2}\D+\d{0,2}\D*[-/., ](?P<year>\d{4})\s*$",
)
_SAFE_DIGITS: Final = 18  # of any whole number in int64
_INT64: Final = np.iinfo(np.int64)

# Values, and int8[rows]: what is wrong with each.
Found = tuple[pa.Array, np.ndarray]


def numbers(column: pa.Array) -> Found:
    trimmed = pc.utf8_trim_whitespace(column)
    fits = pc.fill_null(pc.match_substring_regex(trimmed, _NUMBER), False)
    values = pc.if_else(fits, trimmed, "0").cast(pa.float64()).cast(pa.float32(), safe=False)
    return values, where(fits)


def whole_numbers(column: pa.Array) -> Found:
    # Arrow's own parser takes hexadecimal too, so digits are looked for first.
    plain = pc.and_(pc.ascii_is_decimal(column), pc.less_equal(pc.binary_length(column), _SAFE_DIGITS))
    plain = pc.fill_null(plain, False)
    values = pc.if_else(plain, column, "0").cast(pa.int64())
    wrong = np.zeros(len(column), np.int8)
    rest = np.flatnonzero(where(plain))
    if not rest.size:
        return values, wrong
    trimmed = pc.fill_null(pc.utf8_trim_whitespace(column.take(pa.array(rest))), "")
    wrong[rest] = where(pc.match_substring_regex(trimmed, _INTEGER))
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


def years(column: pa.Array) -> Found:
    """Years, of dates too."""
    found = pa.nulls(len(column), pa.string())
    for pattern in _YEARS:
        found = pc.coalesce(found, pc.struct_field(pc.extract_regex(column, pattern), "year"))
    return pc.fill_null(found.cast(pa.int64()), 0), where(pc.is_valid(found))


def where(fits: pa.Array) -> np.ndarray:
    """int8[rows]: NOT_OF_KIND where `fits` is false."""
    return np.where(fits.to_numpy(zero_copy_only=False), np.int8(0), np.int8(NOT_OF_KIND))
