"""The items and their tags, as tables in memory: a catalogue is small beside its log."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.common import ragged
from components.common.features import own
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import own_columns, quarantine, tables
from components.example_gen.reading.cells import ID
from components.example_gen.reading.quarantine import BadRow, Quarantine
from components.example_gen.reading.rows.rules import time_problem
from components.example_gen.reading.source import GENRES, ITEM, TAG, TIME, TITLE, USER, YEAR, Source
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
TAGS_SCHEMA = pa.schema(
    [
        (contract.USER_ID, ID),
        (contract.ITEM_ID, ID),
        (TAG, pa.string()),
        (TIMESTAMP, pa.int64()),
    ]
)

_NO_GENRES = "(no genres listed)"
# "Toy Story (1995)", "Justice League (2008) ", "Death Note (2006–2007)", "The OA (2016- )".
_TITLE_AND_YEAR = r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:\s*[-–—]\s*(?:\d{4})?)?\s*\)$"


def read_items(source: Source, params: ExampleGenParams, bad: Quarantine) -> pa.Table:
    """ITEMS_SCHEMA and the own features' columns in `id_order`.

    Raises:
      DataError: as `tables.read_by_id`.
    """
    if source.of_log:
        cells = tables.read_first(source, ITEM, params.max_line_bytes)
    else:
        cells = tables.read_by_id(source, ITEM, bad, params.max_line_bytes)
    table = _items(source, cells, params)
    return table.take(id_order(table[contract.ITEM_ID].combine_chunks()))


def items_of(ids: pa.StringArray) -> pa.Table:
    """ITEMS_SCHEMA of ids alone, in `id_order`: an item's title is its id."""
    ids = ids.take(id_order(ids))
    nothing = ragged.from_lengths(np.zeros(len(ids), np.int64), pa.array([], pa.string()))
    return pa.Table.from_arrays(
        [ids, ids, pa.array(np.zeros(len(ids), np.int64)), nothing], schema=ITEMS_SCHEMA
    )


def with_items(items: pa.Table, ids: pa.StringArray) -> pa.Table:
    """The rows of `ids`; one that is in no row has its id for a title, and nothing else."""
    known = items[contract.ITEM_ID].combine_chunks()
    missing = ids.filter(pc.invert(pc.is_in(ids, known)))
    columns = {contract.ITEM_ID: missing, contract.TITLE: missing}
    for field in items.schema:
        if field.name not in columns:
            nothing: object = (
                [] if pa.types.is_large_list(field.type) else 0 if field.type == pa.int64() else ""
            )
            columns[field.name] = pa.array([nothing] * len(missing), field.type)
    both = pa.concat_tables([items, pa.table(columns, schema=items.schema)]).combine_chunks()
    return both.take(pc.index_in(ids, both[contract.ITEM_ID].combine_chunks()))


def read_tags(
    source: Source | None, items: pa.StringArray, params: ExampleGenParams, bad: Quarantine
) -> pa.Table:
    """TAGS_SCHEMA, in the file's order; tags of unknown items and such are set aside."""
    if source is None:
        return TAGS_SCHEMA.empty_table()
    parts = []
    for chunk in tables.read(source, bad, params.max_line_bytes):
        table, names = chunk.table, source.columns
        times = table[TIME].to_numpy()
        no_item = positions(table[ITEM], items) < 0
        broken = no_item | (time_problem(times) > 0)
        for row in np.flatnonzero(broken).tolist():
            if no_item[row]:
                came = table[ITEM][row].as_py()
                kind = quarantine.UNKNOWN_ITEM
                reason = f"{names[ITEM]} is {came!r}, expected an id of the items"
            else:
                kind = quarantine.BAD_TIME
                reason = f"{names[TIME]} is {times[row]}, expected Unix seconds, 0 or later"
            file = source.files[chunk.file].name
            bad.add(BadRow(source.table, file, int(chunk.lines[row]), kind, reason))
        table = table.filter(pa.array(~broken))
        columns = [table[role] for role in (USER, ITEM, TAG, TIME)]
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
    return _named(pc.split_pattern(genres, separator))


def _named(genres: pa.ListArray | pa.LargeListArray) -> pa.LargeListArray:
    """The genres of each row, trimmed, without those that are none."""
    values = pc.utf8_trim_whitespace(pc.list_flatten(genres))
    rows = pc.list_parent_indices(genres).to_numpy()
    kept = pc.invert(pc.is_in(values, pa.array(["", _NO_GENRES], values.type)))
    return ragged.from_rows(rows[kept.to_numpy(zero_copy_only=False)], values.filter(kept), len(genres))


def _items(source: Source, table: pa.Table, params: ExampleGenParams) -> pa.Table:
    ids = table[ITEM].combine_chunks()
    titles = table[TITLE].combine_chunks() if TITLE in source.columns else ids
    if YEAR in source.columns:
        years = table[YEAR].combine_chunks()
    else:
        titles, years = split_titles(titles)
    if GENRES in table.column_names:
        cells = table[GENRES].combine_chunks()
        genres = (
            split_genres(cells, params.list_separator) if pa.types.is_string(cells.type) else _named(cells)
        )
    else:
        genres = ragged.from_lengths(np.zeros(len(ids), np.int64), pa.array([], pa.string()))
    items = pa.Table.from_arrays([ids, titles, years, genres], schema=ITEMS_SCHEMA)
    return own_columns.append(items, table, own(params.item_features), params.list_separator)
