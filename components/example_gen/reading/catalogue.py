"""The items and their tags, as tables in memory: a catalogue is small beside its log."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.common import ragged
from components.common.features import own
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts, own_columns, quarantine, tables
from components.example_gen.reading.own_columns import add_bad
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.reading.rules import time_problem
from components.example_gen.reading.tables import TableFiles
from components.example_gen.sorting.codes import id_order, positions

ITEMS_SCHEMA = pa.schema(
    [
        (contract.ITEM_ID, pa.string()),
        (contract.TITLE, pa.string()),
        (contract.YEAR, pa.int64()),
        (contract.GENRES, pa.large_list(pa.string())),
    ]
)
TIMESTAMP = "timestamp"
TAG = "tag"
TAGS_SCHEMA = pa.schema(
    [
        (contract.USER_ID, tables.ID),
        (contract.ITEM_ID, tables.ID),
        (TAG, pa.string()),
        (TIMESTAMP, pa.int64()),
    ]
)

_NO_GENRES = "(no genres listed)"
# "Toy Story (1995)", "Justice League (2008) ", "Death Note (2006–2007)", "The OA (2016- )".
_TITLE_AND_YEAR = r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:\s*[-–—]\s*(?:\d{4})?)?\s*\)$"


def read_items(source: TableFiles, params: ExampleGenParams, bad: Quarantine) -> pa.Table:
    """ITEMS_SCHEMA and the own features' columns in `id_order`.

    Rows without an id, or with a number that is none, are set aside.

    Raises:
      DataError: an id comes twice, or there is no item.
    """
    parts, where = [], []
    for chunk in tables.read(source, bad, params.max_line_bytes):
        empty = pc.equal(chunk.table[layouts.ITEM].cast(pa.string()), "").to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(empty).tolist():
            name = source.columns[layouts.ITEM]
            add_bad(source, chunk, row, quarantine.MISSING, f"{name} is '', expected a non-empty id", bad)
        good = own_columns.good(source, chunk, own(params.item_features), ~empty, bad)
        parts.append(_items(source, chunk.table.filter(pa.array(good)), params))
        where += [(source.files[chunk.file].name, line) for line in chunk.lines[good].tolist()]
    table = pa.concat_tables(parts).combine_chunks() if parts else ITEMS_SCHEMA.empty_table()
    ids = table[contract.ITEM_ID].combine_chunks()
    codes = ids.dictionary_encode().indices.to_numpy()
    if codes.size and len(np.unique(codes)) < len(codes):
        first = np.zeros(len(codes), bool)
        first[np.unique(codes, return_index=True)[1]] = True
        row = int(np.flatnonzero(~first)[0])
        (file, line), name, came = where[row], source.columns[layouts.ITEM], ids[row].as_py()
        raise DataError(file, f"{name} is {came!r}, expected an id that no earlier line has", line)
    if not len(table) and not bad.bad(source.table):
        raise DataError(source.files[0].name, "has no rows; expected at least one item")
    return table.take(id_order(ids))


def items_of(ids: pa.StringArray) -> pa.Table:
    """ITEMS_SCHEMA of ids alone, in `id_order`: an item's title is its id."""
    ids = ids.take(id_order(ids))
    nothing = ragged.from_lengths(np.zeros(len(ids), np.int64), pa.array([], pa.string()))
    return pa.Table.from_arrays(
        [ids, ids, pa.array(np.zeros(len(ids), np.int64)), nothing], schema=ITEMS_SCHEMA
    )


def read_tags(
    source: TableFiles | None, items: pa.StringArray, params: ExampleGenParams, bad: Quarantine
) -> pa.Table:
    """TAGS_SCHEMA, in the file's order; tags of unknown items and such are set aside."""
    if source is None:
        return TAGS_SCHEMA.empty_table()
    parts = []
    for chunk in tables.read(source, bad, params.max_line_bytes):
        table, names = chunk.table, source.columns
        times = table[layouts.TIME].to_numpy()
        no_user = pc.equal(table[layouts.USER].cast(pa.string()), "").to_numpy(zero_copy_only=False)
        no_item = positions(table[layouts.ITEM], items) < 0
        broken = no_user | no_item | (time_problem(times) > 0)
        for row in np.flatnonzero(broken).tolist():
            if no_user[row]:
                kind, reason = quarantine.MISSING, f"{names[layouts.USER]} is '', expected a non-empty id"
            elif no_item[row]:
                came = table[layouts.ITEM][row].as_py()
                kind, reason = (
                    quarantine.UNKNOWN_ITEM,
                    f"{names[layouts.ITEM]} is {came!r}, expected an id of the items",
                )
            else:
                kind, reason = (
                    quarantine.BAD_TIME,
                    f"{names[layouts.TIME]} is {times[row]}, expected Unix seconds, 0 or later",
                )
            add_bad(source, chunk, row, kind, reason, bad)
        table = table.filter(pa.array(~broken))
        columns = [table[role] for role in (layouts.USER, layouts.ITEM, layouts.TAG, layouts.TIME)]
        parts.append(pa.Table.from_arrays(columns, schema=TAGS_SCHEMA))
    return pa.concat_tables(parts).unify_dictionaries() if parts else TAGS_SCHEMA.empty_table()


def split_titles(titles: pa.StringArray) -> tuple[pa.StringArray, pa.Int64Array]:
    """ "Toy Story (1995)" -> "Toy Story", 1995; of a range the first year; no year -> 0."""
    trimmed = pc.utf8_trim_whitespace(titles)
    # A title without a year does not match: its struct is null, and so are both fields.
    parts = pc.extract_regex(trimmed, _TITLE_AND_YEAR)
    return (
        pc.coalesce(pc.struct_field(parts, "title"), trimmed),
        pc.fill_null(pc.struct_field(parts, "year").cast(pa.int64()), 0),
    )


def split_genres(genres: pa.StringArray, separator: str = "|") -> pa.LargeListArray:
    """ "Action|Sci-Fi" -> ["Action", "Sci-Fi"]; "(no genres listed)" and "" -> []."""
    names = pc.split_pattern(genres, separator)
    values = pc.utf8_trim_whitespace(pc.list_flatten(names))
    rows = pc.list_parent_indices(names).to_numpy()
    kept = pc.invert(pc.is_in(values, pa.array(["", _NO_GENRES])))
    return ragged.from_rows(rows[kept.to_numpy(zero_copy_only=False)], values.filter(kept), len(genres))


def _items(source: TableFiles, table: pa.Table, params: ExampleGenParams) -> pa.Table:
    ids = table[layouts.ITEM].cast(pa.string()).combine_chunks()
    titles = table[layouts.TITLE].combine_chunks() if layouts.TITLE in source.columns else ids
    if layouts.YEAR in source.columns:
        years = _years(table[layouts.YEAR].combine_chunks())
    else:
        titles, years = split_titles(titles)
    if layouts.GENRES_100K[1] in source.columns:
        genres = _flags(table)
    elif layouts.GENRES in source.columns:
        cells = table[layouts.GENRES].combine_chunks()
        genres = split_genres(cells, params.list_separator) if pa.types.is_string(cells.type) else cells
    else:
        genres = ragged.from_lengths(np.zeros(len(ids), np.int64), pa.array([], pa.string()))
    table_ = pa.Table.from_arrays([ids, titles, years, genres], schema=ITEMS_SCHEMA)
    return own_columns.append(table_, table, own(params.item_features), params.list_separator)


def _years(column: pa.Array) -> pa.Int64Array:
    """Years of text or numbers; what is none is 0, as a title without a year has."""
    if not pa.types.is_string(column.type):
        return column.cast(pa.int64())
    digits = pc.struct_field(pc.extract_regex(column, r"^\s*(?P<year>\d{4})(?:\.0)?\s*$"), "year")
    return pc.fill_null(digits.cast(pa.int64()), 0)


def _flags(table: pa.Table) -> pa.LargeListArray:
    """100k's columns of 0 and 1 as lists of genres; "unknown" is none."""
    names = layouts.GENRES_100K[1:]
    has = np.stack([table[name].to_numpy() == 1 for name in names], axis=1)
    rows, columns = np.nonzero(has)
    return ragged.from_rows(rows, pa.array(names, pa.string()).take(pa.array(columns)), len(table))
