"""What a guessed map may get wrong without anybody seeing it, as questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.reading.source import EVENT, ITEM, RATING, TIME, USER, WEIGHT, JsonLines
from datasets.own_log import beside, words
from datasets.own_log.looks import FileLook, Look

# Several ids in one cell: words with digits, and something between them.
_SEVERAL: Final = r"^\w*\d\w*([ ,;|]+\w*\d\w*)+$"
_MOST: Final = 0.5  # of the cells
_WIDE, _WIDE_SHARE = 10, 0.8  # columns of ratings at least, and of all columns


def of_columns(file: FileLook, columns: Mapping[str, str]) -> Iterator[str]:
    """Questions about a map.

    Args:
      columns: what means what.
    """
    by_name = {column.name: column for column in file.columns}
    free = [column for column in file.columns if column.name not in columns.values()]
    if not file.rows:
        yield f"has {file.path.name} no rows below its header? A log has one per event"
        return
    for name in file.twice:
        yield (
            f"which of the columns called {name} is meant? The map has none: change their names in the "
            "file's header"
        )
    if isinstance(file.format, JsonLines) and file.rows == 1 and file.whole:
        lists = [column.name for column in file.columns if column.what == "list"]
        if lists:
            key = lists[0].partition(".")[0]
            yield (
                f"is each value of {key} an event? The file is one JSON object; a log has one per line, as "
                f"`jq -c '.{key}[]' FILE` writes it"
            )
    yield from _matrix(file, by_name.get(columns.get(USER, ""), file.columns[0]))
    for role in (USER, ITEM):
        column = by_name.get(columns.get(role, ""))
        if column is not None and _share(column, _SEVERAL) > _MOST:
            yield (
                f"does {column.name} hold several {role}s in one cell ({column.examples[0]})? Here each cell "
                f"is one id: write a row for each {role}"
            )
    if not {RATING, EVENT, WEIGHT} & columns.keys():
        for column in free:
            named = words.score(column.name, RATING) > 1 or (
                words.score(column.name, WEIGHT) > 1 and _share(column, r"\d") > _MOST
            )
            if column.what == "text" and named:
                values = ", ".join(column.examples)
                yield (
                    f"does {column.name} say how much an event counts? Its values ({values}) are no numbers; "
                    "the map leaves it out, and all events count alike"
                )
    if TIME not in columns:
        for column in free:
            if column.what == "text" and words.score(column.name, TIME) > 1:
                values = ", ".join(column.examples)
                yield (
                    f"is {column.name} a time ({values})? It is in no format that is known; "
                    "example_gen.time_unit can name one. The map leaves it out: the order of the rows counts"
                )


def _matrix(file: FileLook, users: Look) -> Iterator[str]:
    """A row per user and a column per item."""
    ratings = [c for c in file.columns if c.what.endswith("numbers") and c.low >= -100 and c.high <= 100]
    ratings = [c for c in ratings if c is not users and c.distinct <= 101]
    if len(ratings) < max(_WIDE, _WIDE_SHARE * len(file.columns)) or not beside.is_id(users, file):
        return
    yield (
        f"has the file a row per user and a column per item ({ratings[0].name}, {ratings[1].name} and "
        f"{len(ratings) - 2} more)? A log has a row per event, with a user, an item and what is said of it; "
        "pandas' melt makes one of such a table"
    )


def _share(column: Look, pattern: str) -> float:
    """Of the cells, how many match."""
    found = pc.match_substring_regex(column.text.drop_null(), pattern).cast(pa.float64())
    return pc.mean(found).as_py() or 0.0
