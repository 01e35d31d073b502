"""Logs by how their times are written."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pandas as pd
from support.gallery.entries import EVENTS, Entry, Event, csv, lines

_MIDNIGHT: Final = 86_400


def _log(
    write: Callable[[Event], str], seconds: Callable[[Event], int], delimiter: str = ",", **params: Any
) -> Callable[[], Entry]:
    """A log of user, item and time.

    Args:
      write: its time.
      seconds: the time that the log then says, by Python's own means.
    """

    def entry() -> Entry:
        rows = (delimiter.join((e.user, e.item, write(e))) for e in EVENTS)
        at = {(e.user, e.item): seconds(e) for e in EVENTS}

        def frame(folder: Path) -> pd.DataFrame:
            found = csv(folder / "log.txt", sep=delimiter)
            pairs = zip(found.user, found.item, strict=True)
            return found.assign(time=[at[pair] for pair in pairs])

        columns = {"user": "user", "item": "item", "time": "at"}
        content = lines(delimiter.join(columns.values()), *rows)
        return Entry({"log.txt": content}, {"columns": columns, **params}, frame, "log.txt")

    return entry


def _exact(event: Event) -> int:
    return event.time


def _day(event: Event) -> int:
    return event.time - event.time % _MIDNIGHT


def _in_zone(form: str, zone: str) -> Callable[[Event], str]:
    def write(event: Event) -> str:
        local = datetime.datetime.fromtimestamp(event.time, zoneinfo.ZoneInfo(zone))
        return f"{local:{form}}"

    return write


TIMES: Final[dict[str, Callable[[], Entry]]] = {
    "milliseconds": _log(lambda e: str(e.time * 1000 + 999), _exact),
    "seconds with a fraction": _log(lambda e: f"{e.time}.75", _exact, "\t"),
    "seconds as pandas writes them with gaps": _log(lambda e: f"{e.time}.0", _exact),
    "ISO 8601 with Z": _log(lambda e: e.at("%Y-%m-%dT%H:%M:%SZ"), _exact),
    "ISO 8601 with an offset": _log(_in_zone("%Y-%m-%d %H:%M:%S%z", "America/New_York"), _exact, ";"),
    "ISO 8601 with fractions": _log(lambda e: e.at("%Y-%m-%d %H:%M:%S.123456"), _exact),
    "year/month/day": _log(lambda e: f"{e.at('%Y')}/{int(e.at('%m'))}/{int(e.at('%d'))}", _day),
    "days in digits": _log(lambda e: e.at("%Y%m%d"), _day, "|"),
    "American 12-hour times": _log(lambda e: e.at("%m/%d/%Y %I:%M:%S %p"), _exact, "\t"),
    "dots between day and month": _log(lambda e: e.at("%d.%m.%Y %H:%M:%S"), _exact, ";"),
    "weekday and month by name": _log(lambda e: e.at("%a %b %d %H:%M:%S +0000 %Y"), _exact),
    "clocks of a place": _log(
        _in_zone("%Y-%m-%d %H:%M:%S", "Europe/Paris"), _exact, time_zone="Europe/Paris"
    ),
}
