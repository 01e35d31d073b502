"""RecBole's atomic files: NAME.inter, NAME.item and NAME.user, whose headers say types (`user_id:token`).

https://recbole.io/docs/user_guide/data/atomic_files.html. Values of a sequence have blanks between them.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import pyarrow as pa

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import catalogue, text_blocks
from components.example_gen.reading.layouts.layout import Layout, files_of
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import (
    GENRES,
    ITEM,
    RATING,
    TIME,
    TITLE,
    USER,
    YEAR,
    Dataset,
    Delimited,
    Kind,
    Source,
)

_LOG: Final = re.compile(r".*\.inter(\.gz)?")
_TYPED: Final = re.compile(r"[^\t]+:(token|float)(_seq)?(\t[^\t]+:(token|float)(_seq)?)*")
_NAMES: Final = {USER: "user_id", ITEM: "item_id", RATING: "rating", TIME: "timestamp"}
_KINDS: Final[dict[str, Kind]] = {USER: "id", ITEM: "id", RATING: "number", TIME: "time:s"}
_OF_ITEMS: Final = {
    TITLE: re.compile(r"(.*_)?(title|name)"),
    YEAR: re.compile(r"(.*_)?year"),
    GENRES: re.compile(r"(.*_)?(genres?|class|categor(y|ies))"),
}
_ITEM_KINDS: Final[dict[str, Kind]] = {ITEM: "id", TITLE: "text", YEAR: "year", GENRES: "text"}


def _detect(path: Place, params: ExampleGenParams) -> bool:
    if params.columns:
        return False
    return any(_TYPED.fullmatch(_header(file)) for file in files_of(path, _LOG))


def _header(file: Place) -> str:
    return text_blocks.head(file).split(b"\n")[0].decode("utf-8", "replace")


def _names(file: Place) -> list[str]:
    return [name.rpartition(":")[0] for name in _header(file).split("\t")]


def _describe(path: Place, params: ExampleGenParams) -> Dataset:
    files = files_of(path, _LOG)
    if not files:
        raise DataError(path.name, f"{path} has no .inter file; expected RecBole's atomic files")
    format_ = Delimited("\t", quoted=False, encoding=params.encoding or "utf-8")
    there = _names(files[0])
    columns = {role: name for role, name in _NAMES.items() if role in (USER, ITEM) or name in there}
    kinds = {role: _KINDS[role] for role in columns}
    stem = files[0].name.split(".")[0]
    items = next(iter(files_of(files[0].parent, re.compile(rf"{re.escape(stem)}\.item(\.gz)?"))), None)
    return Dataset(
        LAYOUT.name,
        Source("ratings", files, format_, columns, kinds),
        None if items is None else _items(items, format_),
    )


def _items(file: Place, format_: Delimited) -> Source:
    there = _names(file)
    columns = {ITEM: _NAMES[ITEM]}
    for role, pattern in _OF_ITEMS.items():
        if found := [name for name in there if pattern.fullmatch(name)]:
            columns[role] = found[0]
    kinds = {role: _ITEM_KINDS[role] for role in columns}
    return Source("items", (file,), format_, columns, kinds, frozenset(columns) - {ITEM}, rows=_with_genres)


def _with_genres(table: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """The genres as lists."""
    if GENRES in table.column_names:
        lists = catalogue.split_genres(table[GENRES].combine_chunks(), " ")
        table = table.set_column(table.schema.get_field_index(GENRES), GENRES, lists)
    return table, np.arange(len(table))


LAYOUT: Final = Layout("recbole", "a .inter file, or a folder with one (RecBole)", _detect, _describe)
