"""Files in another shape than a row per event, each with the command that makes a log of it."""

from __future__ import annotations

import collections
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from components.example_gen.reading import text_blocks
from components.example_gen.reading.source import ITEM, USER, Delimited, JsonLines
from datasets.own_log import beside, words
from datasets.own_log.looks import FileLook, Look

_A_LOG: Final = "A log has a row for each event, with user and item in it"
_HEAD: Final = 1 << 16
_LINES: Final = 300
_HEADING: Final = re.compile(r"\s*[^\s:,;|]+:\s*")
_FIELD: Final = re.compile(r"([A-Za-z][\w/ .-]{0,40}):\s.*")
_ID: Final = re.compile(r"\w*\d\w*")
_MOST: Final = 0.9  # of the lines
_WIDE, _WIDE_SHARE = 10, 0.8  # columns of ratings at least, and of all columns


def of_file(file: FileLook, columns: Mapping[str, str]) -> Iterator[str]:
    """A question about a file in another shape; none: it may be a log.

    Args:
      columns: what means what, as far as it is guessed.
    """
    if isinstance(file.format, JsonLines):
        yield from _lists(file, columns)
    if isinstance(file.format, Delimited):
        lines = (
            text_blocks.head(file.path, _HEAD, file.format.encoding).decode("utf-8", "replace").split("\n")
        )
        lines = [line for line in lines[:_LINES] if line.strip()]
        yield from _headings(file, lines)
        yield from _fields(lines)
        yield from _ids(file, lines)
    yield from _matrix(file, columns)


def _headings(file: FileLook, lines: Sequence[str]) -> Iterator[str]:
    """Rows below lines such as "17:", of what these name."""
    if len(file.columns) < 2 or not lines or not _HEADING.fullmatch(lines[0]):
        return
    if not file.header and sum(bool(_HEADING.fullmatch(line)) for line in lines) < len(lines):
        between = file.format.delimiter if isinstance(file.format, Delimited) else ","
        program = f'NF == 2 && $2 == "" {{ id = $1; next }} {{ print id "{between}" $0 }}'
        yield (
            f"do the rows below the line {lines[0].strip()!r} belong to it, as those of one item? {_A_LOG}: "
            f"awk -F: '{program}' FILES > log-rows.csv"
        )


def _fields(lines: Sequence[str]) -> Iterator[str]:
    """Records over several lines, a line for each field."""
    names = collections.Counter(found[1] for line in lines if (found := _FIELD.fullmatch(line.strip())))
    if len(names) > 1 and names.total() >= _MOST * len(lines) and statistics.median(names.values()) > 1:
        first, second = list(names)[:2]
        yield (
            f"does each record go over several lines, such as {first!r} and {second!r}? {_A_LOG}: write the "
            "records as JSON lines, an object on each"
        )


def _ids(file: FileLook, lines: Sequence[str]) -> Iterator[str]:
    """A line for each user, with all items."""
    rows = [line.split() for line in lines]
    widths = {len(row) for row in rows}
    cells = [cell for row in rows for cell in row]
    if len(widths) < 3 or statistics.median(map(len, rows)) < 3 or len(file.columns) > max(widths):
        return
    if sum(bool(_ID.fullmatch(cell)) for cell in cells) < _MOST * len(cells):
        return
    counted = all(row[0] == str(len(row) - 1) for row in rows)
    user, what = (
        ("NR", "The number that it begins with is how many follow, so that the user is the line's own number")
        if counted
        else ("$1", "Where a line has items alone, take n = 1 and NR for $1: its number is the user")
    )
    yield (
        f"has each line a user and then the items ({' '.join(rows[0][:4])} ...)? {what}. {_A_LOG}: "
        f"awk '{{ for (n = 2; n <= NF; n++) print {user}, $n }}' FILE > log-rows.txt"
    )


def _lists(file: FileLook, columns: Mapping[str, str]) -> Iterator[str]:
    """An object for each user, with a list of events in it."""
    lists = [column.name for column in file.columns if column.what == "list"]
    of_objects = [name for name in lists if "." in name]
    key = (of_objects or lists or [""])[0].partition(".")[0]
    pythonic = text_blocks.head(file.path, 3).startswith(b"{'")
    first = 'python3 -c "import ast, json, sys; [print(json.dumps(ast.literal_eval(x))) for x in sys.stdin]"'
    jq = f"{first} < FILE | jq -c" if pythonic else "jq -c"
    behind = "" if pythonic else " FILE"
    if lists and file.rows == 1 and file.whole:
        yield (
            f"is each value of {key} an event? The file is one JSON object. {_A_LOG}: "
            f"{jq} '.{key}[]'{behind} > log-rows.jsonl"
        )
        return
    item = columns.get(ITEM)
    if not lists or (item and words.score(item, ITEM) > 1) or {USER, ITEM} <= _named(file):
        return
    users = [column.name for column in file.columns if column.what != "list"]
    user = columns.get(USER) or (users or ["user"])[0]
    event = f"{{{user}}} + .{key}[]" if of_objects else f"{{{user}, {key}: .{key}[]}}"
    yield (
        f"is each value of {key} an event of its {user}? {_A_LOG}: {jq} '{event}'{behind} > log-rows.jsonl"
    )


def _named(file: FileLook) -> set[str]:
    """Of user and item those of which a column's name speaks that is no list."""
    scalar = [column.name for column in file.columns if column.what not in ("list", "empty")]
    counts = [name for name in scalar if not words.is_number_of(name)]
    return {role for role in (USER, ITEM) if any(words.score(name, role) > 1 for name in counts)}


def _matrix(file: FileLook, columns: Mapping[str, str]) -> Iterator[str]:
    """A row per user and a column per item."""
    users: Look | None = next((c for c in file.columns if c.name == columns.get(USER)), None)
    if file.header and users is None:
        users = file.columns[0]
    ratings = [c for c in file.columns if c.what.endswith("numbers") and c.low >= -100 and c.high <= 100]
    ratings = [c for c in ratings if c is not users and (c.distinct <= 101 or not file.header)]
    unrated = sum(column.what == "empty" for column in file.columns)
    if len(ratings) < _WIDE or len(ratings) + unrated < _WIDE_SHARE * len(file.columns):
        return
    if file.header and users is not None and not beside.is_id(users, file):
        return
    first = "" if file.header else ", header=None"
    users_ = f"'{users.name}'" if file.header and users is not None else "'index'"
    melt = f".melt({users_}, var_name='item', value_name='rating').dropna()"
    write = ".to_csv('log-rows.csv', index=False)"
    reset = "" if file.header else ".reset_index()"
    yield (
        f"has the file a row per user and a column per item ({ratings[0].name}, {ratings[1].name} and "
        f'{len(ratings) - 2} more)? {_A_LOG}: python3 -c "import pandas; '
        f"pandas.read_csv('FILE'{first}){reset}{melt}{write}\""
    )
