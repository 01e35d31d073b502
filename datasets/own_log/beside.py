"""Tables beside a log: which files have each item, or each user, once, and what their columns may mean."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from components.common.features import MOVIELENS_NAMES, RESERVED, FeatureSpec
from components.example_gen.params import ITEM_ROLES, USER_ROLES
from components.example_gen.reading.source import GENRES, ITEM, TITLE, USER, YEAR
from datasets.own_log import words
from datasets.own_log.looks import FileLook, Look, look_of
from datasets.own_log.profile import SEPARATORS

_FEATURES: Final = 5
_KNOWN_ENOUGH: Final = 0.999  # of the log's items
_JOINED_ENOUGH: Final = 0.5  # of the log's rows
_ONCE: Final = 0.99  # of the rows
_KNOWN_AT_ALL: Final = 0.1  # of the log's users, of whom a table may have some
# Words in names of columns whose numbers are codes, and of those that say where somebody is found.
_CODED: Final = "gender sex occupation job country region state segment group type category class"
_PLACED: Final = "zip zipcode postcode postal phone lat lng latitude longitude"
_CODES: Final = frozenset(_CODED.split())
_PLACES: Final = frozenset(_PLACED.split())


def is_id(column: Look, file: FileLook) -> bool:
    """Whether each of its values has one row."""
    return column.distinct >= _ONCE * file.rows > 0


def items(file: FileLook, log: FileLook, item: str | None) -> dict[str, Any] | None:
    """Keys for a table of items, None if the file is none.

    Args:
      item: the column of the log's items.
    """
    id_ = _id_of(file, item, ITEM, USER)
    if id_ is None:
        return None
    columns = {ITEM: id_.name}
    for role in (TITLE, YEAR, GENRES):
        free = [column for column in file.columns if column.name not in columns.values()]
        named = [(words.score(column.name, role), column.name) for column in free if column.what != "empty"]
        best = max(named, key=lambda pair: pair[0], default=(0, ""))
        if best[0] and (role != YEAR or _is_year(file, best[1])):
            columns[role] = best[1]
    found: dict[str, Any] = {"item_columns": columns}
    lists = [
        column for column in file.columns if column.name == columns.get(GENRES) and column.what == "text"
    ]
    if lists and (separator := _separator(lists[0])) not in (None, "|"):
        found["list_separator"] = separator
    if features := _features(file, columns, ITEM, {*RESERVED, *ITEM_ROLES, *MOVIELENS_NAMES}):
        usual: list[dict[str, Any]] = []
        if GENRES in columns:
            usual.append({"name": GENRES, "kind": "multi", "taste": True})
        if YEAR in columns:
            usual.append({"name": YEAR, "kind": "number"})
        found["item_features"] = [*usual, *features]
    if item is not None and file.whole and _known(log, item, id_) < _KNOWN_ENOUGH:
        found["unknown_items"] = "keep"
    return found


def users(file: FileLook, log: FileLook, user: str | None) -> dict[str, Any] | None:
    """Keys for a table of users, None if the file is none or says nothing of them.

    Args:
      user: the column of the log's users.
    """
    id_ = _id_of(file, user, USER, ITEM)
    if id_ is None or user is None or (file.whole and _known(log, user, id_) < _KNOWN_AT_ALL):
        return None
    features = _features(file, {USER: id_.name}, USER, {"id", *USER_ROLES})
    return {"user_columns": {USER: id_.name}, "user_features": features} if features else None


def keys(log: FileLook, table: FileLook) -> list[str]:
    """Columns of both by which rows of a log name those of a table, which has each of them once."""
    return [
        column.name
        for column in table.columns
        if table.header
        and column.name in log.names
        and is_id(column, table)
        and _known(log, column.name, column) > _JOINED_ENOUGH
    ]


def joined(log: FileLook, table: FileLook, key: str) -> FileLook:
    """A log with the columns of a table that it has not, by a column of both."""
    by_name = {column.name: column.text for column in (*table.columns, *log.columns)}
    (ids,) = [column.text for column in table.columns if column.name == key]
    at = pc.index_in(by_name[key], ids)
    more = [
        look_of(column.name, column.text.take(at)) for column in table.columns if column.name not in log.names
    ]
    kept = [column for column in log.columns if column.name != key]
    return dataclasses.replace(log, columns=(*kept, *more))


def _id_of(file: FileLook, name: str | None, role: str, other: str) -> Look | None:
    """The column of ids of a table that has each of them once and says nothing of the other ids.

    Args:
      name: what the log calls it.
    """
    if not file.header:
        return None
    # In artists.csv the column id is of artists.
    of = file.path.name.partition(".")[0]
    scores = {
        name: words.score(f"{of} {name}" if name.lower() == "id" else name, role) for name in file.names
    }
    most = max(scores.values(), default=0)
    ids = [column for column in file.columns if column.name == name] or [
        column for column in file.columns if most and scores[column.name] == most
    ]
    others = any(words.says_id(n) and words.score(n, other) > 1 for n in file.names)
    if not ids or others or not is_id(ids[0], file):
        return None
    return ids[0]


def _known(log: FileLook, name: str, ids: Look) -> float:
    """The share of a log's rows whose id the table has."""
    (column,) = [column for column in log.columns if column.name == name]
    return pc.mean(pc.is_in(column.text.drop_null(), ids.text).cast(pa.float64())).as_py() or 0.0


def _is_year(file: FileLook, name: str) -> bool:
    (column,) = [column for column in file.columns if column.name == name]
    return bool(column.units) or (column.what == "whole numbers" and column.high < 2_200)


def _separator(column: Look) -> str | None:
    texts = column.text.drop_null()
    shares = {s: pc.mean(pc.match_substring(texts, s).cast(pa.float64())).as_py() for s in SEPARATORS}
    return next((separator for separator, share in shares.items() if share > 0.2), None)


def _features(file: FileLook, columns: dict[str, str], role: str, taken: set[str]) -> list[dict[str, Any]]:
    """What the model may read of further columns: numbers, and texts of few different values.

    Args:
      columns: that have a meaning.
      role: what the table is of.
      taken: names of other things.
    """
    found: list[dict[str, Any]] = []
    for column in file.columns:
        parts = set(words.words_of(column.name))
        id_like = words.words_of(column.name)[-1:] == ["id"] or words.score(column.name, role) > 1
        if column.name in columns.values() or column.units or not column.filled or id_like or parts & _PLACES:
            continue
        spec: dict[str, Any]
        coded = bool(parts & _CODES) and column.what == "whole numbers"
        if column.what.endswith("numbers") and column.distinct > 1 and not coded:
            wide = column.low >= 0 and column.high > 100
            spec = {"kind": "number", **({"log": True} if wide else {})}
        elif column.what == "list":
            spec = {"kind": "multi"}
        elif (column.what == "text" or coded) and 1 < column.distinct <= min(5_000, 0.5 * file.rows):
            spec = {"kind": "categorical"}
        else:
            continue
        try:
            plain = FeatureSpec.model_validate({"name": column.name, **spec}).name
        except ValueError:
            continue  # a name that needs another one
        if plain not in taken:
            taken.add(plain)
            found.append({"name": column.name, **spec})
    return found[:_FEATURES]
