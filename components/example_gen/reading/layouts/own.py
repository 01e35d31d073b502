"""The user's own log in any format, with a map of its columns, and tables of items and users beside it."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common.features import own
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import cells, own_columns, tables
from components.example_gen.reading.detection import formats, times
from components.example_gen.reading.layouts.layout import Layout, folder_of
from components.example_gen.reading.places import Place
from components.example_gen.reading.rows import joins
from components.example_gen.reading.source import (
    EVENT,
    GENRES,
    ITEM,
    KEY,
    OFFSET,
    RATING,
    TIME,
    TITLE,
    USER,
    WEIGHT,
    YEAR,
    Dataset,
    Delimited,
    Format,
    Join,
    Kind,
    Source,
)
from components.example_gen.reading.values.times import is_written

# What may be a log, and what lies beside one.
_DATA: Final = re.compile(
    r".*\.((csv|tsv|txt|dat|data|json|jsonl|ndjson|inter|log)(\.(gz|zip|bz2|xz|zst))?"
    r"|parquet|pq|xlsx|xls|xlsm|ods|gz|zip|bz2|xz|zst)",
    re.IGNORECASE,
)
_LOOKED_AT: Final = 50  # files of a folder; one of another format behind them is told by its reader
_BESIDE: Final = ("readme*", "licen[cs]e*", "copying*", "notes.*", "schema*", "_*", ".*")


def example(path: Place) -> Place | None:
    """A file that may be of such a log, None if there is none."""
    return next(iter(log_files(path, ExampleGenParams.model_validate({}))), None)


def log_files(path: Place, params: ExampleGenParams) -> tuple[Place, ...]:
    """The files of the log: the path, whatever its name is, or those below it but the other tables."""
    if path.is_file():
        return (path,)
    others = {file.resolve() for file in _tables(path, params) if file}
    if params.join is not None:
        others.add((folder_of(path) / params.join).resolve())
    wanted = [pattern for pattern in params.files if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in params.files if pattern.startswith("!")]

    def is_log(name: str) -> bool:
        if any(fnmatch.fnmatch(name, pattern) for pattern in unwanted):
            return False
        if wanted:
            return any(fnmatch.fnmatch(name, pattern) for pattern in wanted)
        lower = name.lower()
        return bool(_DATA.fullmatch(name)) and not any(fnmatch.fnmatch(lower, pattern) for pattern in _BESIDE)

    return tuple(
        sorted(
            file
            for file in path.rglob("*")
            if is_log(file.name) and file.is_file() and file.resolve() not in others
        )
    )


def _detect(name: str, path: Place, params: ExampleGenParams) -> bool:
    if not params.columns:
        return False
    by_format: dict[str, Place] = {}
    for file in log_files(path, params)[:_LOOKED_AT]:
        by_format.setdefault(formats.NAMES[formats.kind_of(file)], file)
    if len(by_format) > 1 and params.layout == "auto":
        found = ", ".join(f"{file.name} ({format_})" for format_, file in by_format.items())
        raise DataError(
            path.name,
            f"holds files of several formats ({found}), expected a log of one; name the tables beside it "
            "with example_gen.items and example_gen.users, the log's own file as the data, its files with "
            "example_gen.files, such as ['*.csv'], or its format with example_gen.layout",
        )
    return name in by_format or (not by_format and name == "csv")


def _tables(path: Place, params: ExampleGenParams) -> tuple[Place | None, Place | None]:
    """The files of the items and of the users."""
    folder = folder_of(path)
    return folder / params.items if params.items else None, folder / params.users if params.users else None


_ITEM_KINDS: Final[dict[str, Kind]] = {ITEM: "id", TITLE: "text", YEAR: "year", GENRES: "texts"}


def _describe(name: str, path: Place, params: ExampleGenParams) -> Dataset:
    if not params.columns:
        raise DataError(
            path.name,
            f"layout {name} needs example_gen.columns: which columns mean user, item, rating and time",
        )
    items_file, users_file = _tables(path, params)
    files = log_files(path, params)
    if params.layout == name:
        kinds = {file: formats.NAMES[formats.kind_of(file)] for file in files}
        files = tuple(file for file in files if kinds[file] == name)
        if kinds and not files:
            file, kind = next(iter(kinds.items()))
            raise DataError(file.name, f"is {kind} by its content, expected {name} (example_gen.layout)")
    if not files:
        raise DataError(path.name, f"{path} has no file that may be a log; example_gen.files names patterns")
    _require_names(path, params)
    log = _log(files, folder_of(path), params)
    return Dataset(
        name,
        log,
        _items_of_log(log, params) if items_file is None else _items(items_file, params),
        users=None if users_file is None else _users(users_file, params),
    )


def _log(files: tuple[Place, ...], folder: Place, params: ExampleGenParams) -> Source:
    columns = dict(params.columns)
    time = _time_kind(params, params.time_unit)
    kinds: dict[str, Kind] = {USER: "id", ITEM: "id", RATING: "number", WEIGHT: "number", EVENT: "id"}
    kinds[TIME] = time
    kinds[OFFSET] = f"offset:{params.offset_unit}"
    source = Source(
        "ratings",
        files,
        formats.format_of(files[0], params, columns.values()),
        columns,
        _of(columns, kinds),
        optional=frozenset({EVENT}) & columns.keys(),
        missing=params.missing_markers,
        rows=_with_offset if OFFSET in columns else None,
    )
    if params.join is not None:
        join = _join(source, folder / params.join, params)
        source = dataclasses.replace(source, join=join)
    if TIME not in columns or params.time_unit != "auto":
        return source
    return dataclasses.replace(source, kinds={**source.kinds, TIME: _time(source, params)})


def _time(source: Source, params: ExampleGenParams) -> Kind:
    """The kind of a log's times.

    Raises:
      DataError: nobody can tell whether the day or the month comes first.
    """
    file = source.files[0]
    if not file.stat().st_size:
        return "time:s"  # the reader says that there is nothing
    if source.join is not None and TIME in source.join.table.columns:
        source = source.join.table
        file = source.files[0]
    texts = dataclasses.replace(source.in_file, rows=None)
    texts = dataclasses.replace(texts, kinds=dict.fromkeys(texts.columns, "text"))
    # Without the cells that are no UTF-8, which the reader sets aside.
    sample = cells.typed(tables.sample(texts, file, params.max_line_bytes)[TIME], "text")[0]
    units = times.units_of(sample)
    if len(units) > 1:
        raise DataError(
            file.name,
            f"{source.columns[TIME]} holds times such as {sample.drop_null()[0]}, which can be read in "
            f"several ways; set example_gen.time_unit to one of {', '.join(map(repr, units))}",
        )
    if params.time_zone and not is_written(units[0]):
        raise DataError(
            file.name,
            f"{source.columns[TIME]} holds numbers since 1970, which are of UTC everywhere; leave out "
            f"example_gen.time_zone ({params.time_zone}) or set example_gen.time_unit to a format",
        )
    return _time_kind(params, units[0])


def _time_kind(params: ExampleGenParams, unit: str) -> Kind:
    return f"time@{params.time_zone}:{unit}" if params.time_zone else f"time:{unit}"


def _with_offset(table: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """The times with what is added to them."""
    times_ = pc.add(table[TIME], table[OFFSET])
    table = table.set_column(table.schema.get_field_index(TIME), TIME, times_)
    return table.drop_columns([OFFSET]), np.arange(len(table))


def _join(log: Source, file: Place, params: ExampleGenParams) -> Join:
    """The table that the config joins to the log, which gives those of its columns that the log has not.

    Raises:
      DataError: it is not there, or has none of the columns.
    """
    assert params.join_on is not None
    on, key = joins.parse(params.join_on)
    if not file.is_file():
        raise DataError(file.name, f"not found in {file.parent}; expected the table of example_gen.join")
    format_ = _beside(file, params, {KEY: key})
    here = tables.header(log.format, log.files[0], params.max_line_bytes)
    there = tables.header(format_, file, params.max_line_bytes)
    missing = params.missing_markers
    table = Source("joined", (file,), format_, {KEY: key}, {KEY: "id"}, missing=missing)
    join = Join(on, table, frozenset(there) - set(here)).giving(log.columns)
    if len(join.table.columns) == 1:
        found, wanted = ", ".join(there), ", ".join(log.columns.values())
        raise DataError(file.name, f"gives the log no column; found {found}, expected some of {wanted}")
    return join


def _items_of_log(log: Source, params: ExampleGenParams) -> Source | None:
    """Titles and features that stand in the log itself, None where the config names none."""
    specs = own(params.item_features)
    if not params.item_columns and not specs:
        return None
    columns = {ITEM: log.columns[ITEM], **params.item_columns, **{spec.name: spec.source for spec in specs}}
    kinds = {**_ITEM_KINDS, **own_columns.kinds(specs)}
    return dataclasses.replace(
        log,
        table="items",
        columns=columns,
        kinds=_of(columns, kinds),
        optional=frozenset(columns) - {ITEM},
        rows=None,
        of_log=True,
        join=log.join and log.join.alone().giving(columns),
    )


def _items(file: Place, params: ExampleGenParams) -> Source:
    specs = own(params.item_features)
    kinds = {**_ITEM_KINDS, **own_columns.kinds(specs)}
    columns = {**params.item_columns, **{spec.name: spec.source for spec in specs}}
    format_ = _beside(file, params, columns)
    optional, missing = frozenset(columns) - {ITEM}, params.missing_markers
    return Source("items", (file,), format_, columns, _of(columns, kinds), optional, missing)


def _users(file: Place, params: ExampleGenParams) -> Source:
    specs = params.user_features
    columns = {**params.user_columns, **{spec.name: spec.source for spec in specs}}
    kinds: dict[str, Kind] = {USER: "id", **own_columns.kinds(specs)}
    optional = frozenset(columns) - {USER}
    missing = params.missing_markers
    format_ = _beside(file, params, columns)
    return Source("users", (file,), format_, columns, _of(columns, kinds), optional, missing)


def _beside(file: Place, params: ExampleGenParams, columns: Mapping[str, str]) -> Format:
    """The format of a table beside the log, which may have another delimiter and encoding."""
    if not file.is_file():
        return Delimited()  # the reader says that it is missing
    by_content = params.model_copy(update={"names": (), "delimiter": None})
    return formats.format_of(file, by_content, columns.values())


def _require_names(path: Place, params: ExampleGenParams) -> None:
    """Stops where the config names the columns of files without a header, and asks for others.

    Raises:
      DataError: so it is.
    """
    for role, name in params.columns.items() if params.names else ():
        if name not in params.names:
            found = ", ".join(params.names)
            raise DataError(
                path.name, f"columns.{role} is {name!r}, expected one of example_gen.names: {found}"
            )


def _of(columns: Mapping[str, str], kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    return {role: kinds[role] for role in columns}


LAYOUTS: Final = tuple(
    Layout(
        name,
        "with example_gen.columns, your own log: text with any delimiter, JSON lines, Parquet or a sheet, "
        "one file or a folder of them",
        functools.partial(_detect, name),
        functools.partial(_describe, name),
    )
    for name in formats.NAMES.values()
)
