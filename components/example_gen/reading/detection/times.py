"""The unit or format of a column of times, by its values."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.reading.rows.conditions import MISSING_MARKERS
from components.example_gen.reading.values import times

_NUMBER: Final = r"^[+-]?\d+(\.\d*)?$"
_ENOUGH: Final = 0.95  # of the values
_VALUES: Final = 20_000
_GUESSED: Final = 30
# From such numbers on they are of this unit: 1973 in it, and beyond any time in the one before.
_UNITS: Final = ((10**17, "ns"), (10**14, "us"), (10**11, "ms"))
# Dates in digits, by how many there are.
_DIGITS: Final = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
# What pandas does not guess: Amazon's reviews, and the API of Twitter and Foursquare.
_FURTHER: Final = ("%m %d, %Y", "%a %b %d %H:%M:%S %z %Y")


def units_of(column: pa.Array) -> list[str]:
    """The units (of `Kind`'s times) that a column's values may have; several: nobody can tell.

    Args:
      column: text, numbers or times.
    """
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return ["iso"]
    if pa.types.is_dictionary(column.type):
        column = column.dictionary
    values = pc.utf8_trim_whitespace(column.cast(pa.string())).unique().drop_null()
    values = values.filter(pc.invert(pc.is_in(values, pa.array(MISSING_MARKERS))))[:_VALUES]
    if not len(values):
        return ["s"]
    numbers = values.filter(pc.match_substring_regex(values, _NUMBER))
    if len(numbers) >= _ENOUGH * len(values):
        return [_unit(numbers)]
    shares = {unit: _share(values, unit) for unit in ("iso", *_formats(values))}
    best = max(shares.values())
    if best < 0.5:
        return ["s"]
    found = [unit for unit, share in shares.items() if share >= best]
    if found[0] == "iso":
        return found[:1]
    different = {times.seconds(values, f"time:{unit}")[0].to_numpy().tobytes(): unit for unit in found}
    return list(different.values())


def _unit(numbers: pa.StringArray) -> str:
    digits = pc.utf8_length(numbers)
    for count, format_ in _DIGITS.items():
        if pc.all(pc.equal(digits, count)).as_py() and _share(numbers, format_) >= _ENOUGH:
            return format_
    middle = float(np.median(np.abs(numbers.cast(pa.float64()).to_numpy())))
    return next((unit for least, unit in _UNITS if middle >= least), "s")


def _share(values: pa.StringArray, unit: str) -> float:
    wrong = times.seconds(values, f"time:{unit}")[1]
    return float((wrong == 0).mean())


def _formats(values: pa.StringArray) -> list[str]:
    from pandas.tseries.api import guess_datetime_format

    found: dict[str, None] = dict.fromkeys(_FURTHER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a day is beyond 12
        for value in values[:_GUESSED].to_pylist():
            for dayfirst in (False, True):
                guess = guess_datetime_format(value, dayfirst=dayfirst)
                if guess and not guess.startswith(("%Y-%d", "%Y/%d", "%Y.%d", "%d %m,")):
                    found[guess] = None
    return list(found)
