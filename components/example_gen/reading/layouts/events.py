"""Events that an application has collected, as a further log beside the one that it started with.

Parquet with the columns `user`, `item` and `time` (whole seconds since 1970, or times), and `event`
and `rating` where there are any. What is read of them follows the first log: a log with ratings
takes the events that have one, and a log of kinds of events those of its kinds.
"""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.layouts.layout import files_of
from components.example_gen.reading.places import Place, for_arrow
from components.example_gen.reading.source import (
    EVENT,
    ITEM,
    RATING,
    TIME,
    USER,
    WEIGHT,
    Kind,
    Parquet,
    Source,
)

_NAMES: Final = re.compile(r".*\.(parquet|pq)", re.IGNORECASE)
_KINDS: Final[dict[str, Kind]] = {USER: "id", ITEM: "id", RATING: "finite", EVENT: "id", TIME: "time:s"}


def find(path: Place, params: ExampleGenParams, first: Source) -> Source | None:
    """The log at `path` beside a first one, None if it is none of this layout."""
    files = files_of(path, _NAMES)
    if not files or not _columns(files[0]) >= {USER, ITEM, TIME}:
        return None
    roles = [USER, ITEM]
    if RATING in first.columns:
        roles.append(RATING)
    if EVENT in first.columns or first.events:
        roles.append(EVENT)
    if TIME in first.columns:
        roles.append(TIME)
    columns = {role: role for role in roles}
    return Source(
        first.table,
        files,
        Parquet(),
        columns,
        {role: _KINDS[role] for role in roles},
        optional=frozenset({RATING, EVENT}) & columns.keys(),
        missing=params.missing_markers,
        collected=True,
    )


def lacks(log: Source, first: Source) -> str | None:
    """What a further log must have as the first one has it, None if it has it all."""
    if log.collected:
        return None
    for role in (RATING, WEIGHT, TIME):
        if (role in log.columns) != (role in first.columns):
            return role
    if (EVENT in log.columns or bool(log.events)) != (EVENT in first.columns or bool(first.events)):
        return EVENT
    return None


def _columns(file: Place) -> set[str]:
    try:
        with pq.ParquetFile(for_arrow(file)) as opened:
            return set(opened.schema_arrow.names)
    except (pa.ArrowException, OSError):
        return set()  # the reader of whatever layout says what is wrong
