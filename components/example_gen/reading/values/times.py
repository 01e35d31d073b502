"""Times, as text -> Unix seconds.

A time is in a unit since 1970, in ISO 8601 or in a format of strptime, as its kind says. One that is
written without a zone is of UTC, or of the zone that its kind names.
"""

from __future__ import annotations

import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.reading.values.numbers import NOT_OF_KIND, Found, where, whole_numbers

PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
SECONDS: Final = {"min": 60, "h": 3_600, "d": 86_400}
_FRACTION: Final = r"^([+-]?[0-9]+)\.[0-9]*$"
_ZONE: Final = r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$"
_CLOCK: Final = r"^\s*(?:(?P<h>\d{1,2})?:?(?P<m>\d{2})|(?P<alone>\d))(?::?(?P<s>\d{2})(?:\.\d*)?)?\s*$"
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def seconds(column: pa.Array, kind: str) -> Found:
    """Texts of a kind "time:..." or "offset:..." as seconds, rounded down.

    Args:
      kind: its unit is one of PER_SECOND or SECONDS, "clock" (the time of a day), "iso" or a format of
        strptime.
    """
    unit = unit_of(kind)
    if "%" in unit:
        values, wrong = _formatted(column, unit)
        return (values if "%z" in unit or "%Z" in unit else utc(values, kind)), wrong
    if unit == "clock":
        return _clock(column)
    if unit == "iso":
        values, zoned, wrong = _iso(column)
        values = floor(values, PER_SECOND["us"])
        return pc.if_else(zoned, values, utc(values, kind)), wrong
    values, wrong = _unix_times(column)
    return in_seconds(values, unit), wrong


def unit_of(kind: str) -> str:
    """The unit, "iso", "clock" or the format of a kind of times."""
    return kind.partition(":")[2]


def is_written(unit: str) -> bool:
    """Whether times of the unit are written as people do, so that a zone may be missing."""
    return unit == "iso" or "%" in unit


def utc(values: pa.Array, kind: str) -> pa.Array:
    """Seconds that were read as if of UTC, put right for the zone of their kind.

    Of an hour that a clock shows twice it is the first; one that it leaves out begins an hour later.
    """
    zone = kind.partition(":")[0].partition("@")[2]
    if not zone:
        return values
    import pandas as pd

    there = values.fill_null(0).to_numpy()
    naive = pd.DatetimeIndex(there.astype("datetime64[s]"))
    summer = np.ones(len(naive), bool)
    moved = naive.tz_localize(zone, ambiguous=summer, nonexistent="shift_forward")
    seconds = moved.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[s]").astype(np.int64)
    return pa.array(seconds, mask=values.is_null().to_numpy(zero_copy_only=False))


def in_seconds(values: pa.Array, unit: str) -> pa.Array:
    """Whole numbers of a unit as seconds, rounded down."""
    if unit in SECONDS:
        return pc.multiply(values, SECONDS[unit])
    return floor(values, PER_SECOND[unit]) if unit != "s" else values


def floor(values: pa.Array, divisor: int) -> pa.Array:
    # Downwards also below 0, so that nothing before 1970 becomes 1970.
    whole = values.fill_null(0).to_numpy() // divisor
    return pa.array(whole, mask=values.is_null().to_numpy(zero_copy_only=False))


def _formatted(column: pa.Array, format_: str) -> Found:
    """Times in a format of strptime; UTC where it has no zone."""
    import pandas as pd  # half a second, and only for such times

    trimmed = pc.utf8_trim_whitespace(column)
    # Which pandas reads as this very moment.
    moving = pc.is_in(pc.utf8_lower(trimmed), pa.array(["now", "today"]))
    texts = pc.if_else(moving, pa.scalar(None, trimmed.type), trimmed).to_pandas()
    found = pd.to_datetime(texts, format=format_, errors="coerce", utc=True).to_numpy("datetime64[us]")
    there = pa.array(~np.isnat(found))
    return pa.array(np.where(np.isnat(found), 0, found.astype(np.int64) // PER_SECOND["us"])), where(there)


def _clock(column: pa.Array) -> Found:
    """Times of a day, such as 9:05, 09:05:10, 905 or 5 (minutes past midnight)."""
    parts = pc.extract_regex(column, _CLOCK)
    fits = pc.is_valid(parts)
    total = pa.array(np.zeros(len(column), np.int64))
    for name, size in (("h", 3_600), ("m", 60), ("alone", 60), ("s", 1)):
        texts = pc.struct_field(parts, name)
        number = pc.if_else(pc.equal(pc.coalesce(texts, pa.scalar("")), ""), "0", texts).cast(pa.int64())
        total = pc.add(total, pc.multiply(number, size))
    in_day = pc.less(total, 86_400)
    return pc.fill_null(total, 0), where(pc.fill_null(pc.and_(fits, in_day), False))


def _unix_times(column: pa.Array) -> Found:
    """Whole numbers, and numbers with a fraction (as pandas writes times with gaps) rounded down."""
    if pc.any(pc.match_substring(column, ".")).as_py():
        whole = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), _FRACTION, r"\1")
        values, wrong = whole_numbers(whole)
        below = pc.match_substring_regex(column, r"^\s*-[0-9]+\.[0-9]*[1-9]")
        return pc.subtract(values, pc.cast(pc.fill_null(below, False), pa.int64())), wrong
    return whole_numbers(column)


def _iso(column: pa.Array) -> tuple[pa.Array, pa.Array, np.ndarray]:
    """ISO 8601 -> Unix microseconds, as if of UTC where no zone is named; bool: one is; what is wrong."""
    cells = pc.utf8_trim_whitespace(column)
    zoned = pc.fill_null(pc.match_substring_regex(cells, _ZONE), False)
    try:
        naive = pc.if_else(zoned, "1970-01-01", cells).cast(pa.timestamp("us"))
        aware = pc.if_else(zoned, cells, "1970-01-01T00:00Z").cast(pa.timestamp("us", "UTC"))
        values = pc.if_else(zoned, aware.cast(pa.int64()), naive.cast(pa.int64()))
        return values, zoned, np.zeros(len(column), np.int8)
    except pa.ArrowInvalid:
        found = [_microseconds(cell) for cell in cells.to_pylist()]
        values = pa.array([time or 0 for time in found], pa.int64())
        wrong = np.array([NOT_OF_KIND if time is None else 0 for time in found], np.int8)
        return values, zoned, wrong


def _microseconds(cell: str | None) -> int | None:
    try:
        time = datetime.datetime.fromisoformat(cell or "")
    except ValueError:
        return None
    since = (time if time.tzinfo else time.replace(tzinfo=datetime.UTC)) - _EPOCH
    return since // datetime.timedelta(microseconds=1)
