"""Dates of the config, and the window of events that ends with a log's newest one."""

from __future__ import annotations

import datetime
import re
from typing import Final

_SECONDS: Final = {"h": 3_600, "d": 86_400, "w": 604_800}
_LONGEST_DAYS: Final = 36_500
_DURATION: Final = re.compile(r"(\d+)\s*([a-z]?)")


def seconds_of(date: str) -> int:
    """Unix seconds of a date or time in ISO 8601; UTC where it names no zone.

    Raises:
      ValueError: it is no such text.
    """
    try:
        time = datetime.datetime.fromisoformat(date)
    except ValueError as error:
        raise ValueError(f"must be a date such as 2018-09-26 or 2018-09-26T10:00:00, got {date!r}") from error
    return int((time if time.tzinfo else time.replace(tzinfo=datetime.UTC)).timestamp())


def window(text: str) -> str:
    """A window as it is kept: a number without a unit is one of days.

    Raises:
      ValueError: it is neither a duration above 0 nor a date.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        try:
            seconds_of(text)
        except ValueError as error:
            raise ValueError(
                "must be a number of days, a duration such as 90d, 12h or 8w, or a date such as 2018-09-26; "
                f"got {text!r}"
            ) from error
        return text
    number, unit = int(found[1]), found[2] or "d"
    if unit not in _SECONDS:
        raise ValueError(f"must end in one of {', '.join(_SECONDS)} (hours, days, weeks), got {text!r}")
    if not 0 < number * _SECONDS[unit] <= _LONGEST_DAYS * _SECONDS["d"]:
        raise ValueError(
            f"must be above 0 and at most {_LONGEST_DAYS:,} days (a date is written 2018-09-26), got {text!r}"
        )
    return f"{number}{unit}"


def window_start(kept: str, newest: int) -> int:
    """Unix seconds of the first moment of a window.

    Args:
      kept: what `window` returned.
      newest: Unix seconds of the newest event, which a duration ends with.
    """
    found = _DURATION.fullmatch(kept)
    return seconds_of(kept) if found is None else newest - int(found[1]) * _SECONDS[found[2]]


def older_than(kept: str, newest: int) -> str:
    """Why an event before `window_start` is left out, in words."""
    last = datetime.datetime.fromtimestamp(newest, datetime.UTC)
    return f"older than window {kept} (newest event {last:%Y-%m-%d %H:%M} UTC)"
