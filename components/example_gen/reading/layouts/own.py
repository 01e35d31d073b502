"""The user's own log, CSV or Parquet, with a map of its columns, and tables of items and users beside it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Final

from components.common.features import own
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import own_columns
from components.example_gen.reading.layouts.layout import Layout, files_of, folder_of
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import (
    EVENT,
    GENRES,
    ITEM,
    MISSING_MARKERS,
    RATING,
    TIME,
    TITLE,
    USER,
    WEIGHT,
    YEAR,
    Dataset,
    Delimited,
    Format,
    Kind,
    Parquet,
    Source,
)

_CSV_NAMES: Final = re.compile(r".*\.(csv|tsv)(\.gz)?", re.IGNORECASE)
_PARQUET_NAMES: Final = re.compile(r".*\.(parquet|pq)", re.IGNORECASE)


def example(path: Place) -> Place | None:
    """A file that may be of such a log, None if there is none."""
    return next(iter(files_of(path, _PARQUET_NAMES) or files_of(path, _CSV_NAMES)), None)


def _detect_parquet(path: Place, params: ExampleGenParams) -> bool:
    if not params.columns:
        return False
    if path.is_file():
        return bool(_PARQUET_NAMES.fullmatch(path.name))
    found, others = _logs(path, params, _PARQUET_NAMES), _logs(path, params, _CSV_NAMES)
    if found and others:
        raise DataError(
            path.name,
            f"holds both Parquet and CSV ({found[0].name}, {others[0].name}), expected a log of one format; "
            "name the tables beside it with example_gen.items and example_gen.users, the log's own file as "
            "the data, or its format with example_gen.layout=parquet or csv",
        )
    return bool(found)


def _detect_csv(path: Place, params: ExampleGenParams) -> bool:
    return bool(params.columns)


def _tables(path: Place, params: ExampleGenParams) -> tuple[Place | None, Place | None]:
    """The files of the items and of the users."""
    folder = folder_of(path)
    return folder / params.items if params.items else None, folder / params.users if params.users else None


def _logs(path: Place, params: ExampleGenParams, names: re.Pattern[str]) -> tuple[Place, ...]:
    """The files of the log: the path, whatever its name is, or those below it but the other tables."""
    others = {file.resolve() for file in _tables(path, params) if file}
    found = (path,) if path.is_file() else files_of(path, names)
    return tuple(file for file in found if file.resolve() not in others)


def _describe_parquet(path: Place, params: ExampleGenParams) -> Dataset:
    return _describe(PARQUET.name, path, params, _PARQUET_NAMES, "*.parquet")


def _describe_csv(path: Place, params: ExampleGenParams) -> Dataset:
    return _describe(CSV.name, path, params, _CSV_NAMES, "*.csv, *.tsv or *.csv.gz")


def _describe(
    layout: str, path: Place, params: ExampleGenParams, names: re.Pattern[str], wanted: str
) -> Dataset:
    if not params.columns:
        raise DataError(
            path.name,
            f"layout {layout} needs example_gen.columns: which columns mean user, item, rating and time",
        )
    items_file, users_file = _tables(path, params)
    files = _logs(path, params, names)
    if not files:
        raise DataError(path.name, f"{path} has no file {wanted}")
    time: Kind = f"time:{params.time_unit}"  # type: ignore[assignment]
    kinds: dict[str, Kind] = {USER: "id", ITEM: "id", RATING: "number", WEIGHT: "number", EVENT: "id"}
    kinds[TIME] = time
    columns = dict(params.columns)
    return Dataset(
        layout,
        Source(
            "ratings",
            files,
            _named(_format(files[0], params), path, params),
            columns,
            _of(columns, kinds),
            optional=frozenset({EVENT}) & columns.keys(),
            missing=(*MISSING_MARKERS, *params.missing),
        ),
        None if items_file is None else _items(items_file, params),
        users=None if users_file is None else _users(users_file, params),
    )


def _items(file: Place, params: ExampleGenParams) -> Source:
    specs, format_ = own(params.item_features), _format(file, params)
    kinds: dict[str, Kind] = {ITEM: "id", TITLE: "text", YEAR: "text", GENRES: "texts"}
    if isinstance(format_, Parquet):
        kinds[YEAR] = "integer"
    kinds |= own_columns.kinds(specs)
    columns = {**params.item_columns, **{spec.name: spec.source for spec in specs}}
    optional, missing = frozenset(columns) - {ITEM}, (*MISSING_MARKERS, *params.missing)
    return Source("items", (file,), format_, columns, _of(columns, kinds), optional, missing)


def _users(file: Place, params: ExampleGenParams) -> Source:
    specs = params.user_features
    columns = {**params.user_columns, **{spec.name: spec.source for spec in specs}}
    kinds: dict[str, Kind] = {USER: "id", **own_columns.kinds(specs)}
    optional = frozenset(columns) - {USER}
    missing = (*MISSING_MARKERS, *params.missing)
    return Source("users", (file,), _format(file, params), columns, _of(columns, kinds), optional, missing)


def _format(file: Place, params: ExampleGenParams) -> Format:
    if _PARQUET_NAMES.fullmatch(file.name):
        return Parquet()
    tabs = params.delimiter == "," and ".tsv" in file.suffixes
    delimiter = "\t" if tabs else params.delimiter
    quoted = delimiter != "\t" if params.quoted is None else params.quoted
    return Delimited(delimiter, quoted=quoted, encoding=params.encoding or "utf-8")


def _named(format_: Format, path: Place, params: ExampleGenParams) -> Format:
    """The format of files without a header, where the config names their columns.

    Raises:
      DataError: a column that is asked for is not among them.
    """
    if not params.names or isinstance(format_, Parquet):
        return format_
    for role, name in params.columns.items():
        if name not in params.names:
            found = ", ".join(params.names)
            raise DataError(
                path.name, f"columns.{role} is {name!r}, expected one of example_gen.names: {found}"
            )
    return dataclasses.replace(format_, names=params.names)


def _of(columns: Mapping[str, str], kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    return {role: kinds[role] for role in columns}


PARQUET: Final = Layout(
    "parquet",
    "with example_gen.columns, your own Parquet file or a folder of them",
    _detect_parquet,
    _describe_parquet,
)
CSV: Final = Layout(
    "csv", "with example_gen.columns, your own CSV file or a folder of them", _detect_csv, _describe_csv
)
