"""What a guessed map may get wrong without anybody seeing it, as questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.reading.detection.times import units_of
from components.example_gen.reading.quarantine import percent
from components.example_gen.reading.source import EVENT, ITEM, RATING, TIME, USER, WEIGHT
from components.example_gen.reading.values import times
from datasets.own_log import words
from datasets.own_log.looks import FileLook, Look

# Several ids in one cell: words with digits, and something between them.
_SEVERAL: Final = r"^\w*\d\w*([ ,;|]+\w*\d\w*)+$"
_MOST: Final = 0.5  # of the cells
_SOME: Final = 0.02
_SCIENTIFIC: Final = r"^\d(\.\d+)?[eE]\+?\d+$"


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
    yield from _ids(by_name, columns)
    yield from _times(by_name.get(columns.get(TIME, "")), free)
    if not file.header and not {RATING, EVENT, WEIGHT} & columns.keys():
        yield from _counts(free, by_name.get(columns.get(ITEM, "")))


def _counts(free: list[Look], item: Look | None) -> Iterator[str]:
    """Numbers without a name beside events that count alike; what an item has in all its rows is none."""
    numbers = [column for column in free if column.what.endswith("numbers") and column.distinct > 1]
    names = [column.name for column in numbers if item is None or not _is_of(item, column)]
    if names:
        which = "do numbers in one of the columns" if len(names) > 1 else "do the numbers in column"
        yield (
            f"{which} {', '.join(names)} say how much an event counts, as ratings (`rating`) or how often "
            "and how many (`weight`)? The map leaves them out: all events count alike"
        )


def _is_of(item: Look, column: Look) -> bool:
    """Whether each item has one value in all its rows, such as where it is."""
    pairs = pa.table({"item": item.text, "value": column.text}).group_by(["item", "value"]).aggregate([])
    return len(pairs) <= item.distinct + 1 < len(item.text)


def _ids(by_name: Mapping[str, Look], columns: Mapping[str, str]) -> Iterator[str]:
    """Numbers that stand for ids and have lost digits."""
    taken = set(columns.values())
    for column in by_name.values():
        is_id = column.name in (columns.get(USER), columns.get(ITEM)) or (
            column.name not in taken and words.says_id(column.name)
        )
        named = max(words.score(column.name, role) for role in (USER, ITEM)) > 1
        if is_id and named and (share := _share(column, _SCIENTIFIC)) > _SOME:
            yield (
                f"are the ids of {column.name} whole ({column.examples[0]})? {percent(share)} are numbers in "
                "scientific notation, as a spreadsheet shortens long ones, so that different ids may have "
                "become one: export them as text from where they come"
            )


def _times(column: Look | None, free: list[Look]) -> Iterator[str]:
    """Times that are not read, and those that are written in several ways."""
    if column is None:
        for other in free:
            number = other.what.endswith("numbers") and words.says_moment(other.name)
            if number or (other.what == "text" and words.score(other.name, TIME) > 1):
                known = "Such numbers are in no unit" if number else "It is in no format"
                yield (
                    f"is {other.name} a time ({', '.join(other.examples)})? {known} that is known; "
                    "example_gen.time_unit can name one. The map leaves it out: the order of the rows counts"
                )
        return
    texts = column.text.drop_null()
    first = column.units[0] if column.units else ""
    if not first or pa.types.is_null(texts.type):
        return
    odd = texts.filter(pa.array(times.seconds(texts, f"time:{first}")[1] != 0))
    if len(odd) > _SOME * len(texts):
        (second, *_) = units_of(odd)
        yield (
            f"is {column.name} written in several ways? {percent(1 - len(odd) / len(texts))} are times in "
            f"{first!r}, others such as {odd[0]} in {second!r}. A log has one: write all alike; the map "
            "reads the first and sets the others aside"
        )


def _share(column: Look, pattern: str) -> float:
    """Of the cells, how many match."""
    found = pc.match_substring_regex(column.text.drop_null(), pattern).cast(pa.float64())
    return pc.mean(found).as_py() or 0.0
