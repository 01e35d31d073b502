"""What is known of users beside their events: the user's own table, in the order of the log's users."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts, own_columns, quarantine, tables
from components.example_gen.reading.own_columns import add_bad
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.reading.tables import TableFiles
from components.example_gen.records import schemas


def read_users(
    source: TableFiles | None, user_ids: pa.StringArray, params: ExampleGenParams, bad: Quarantine
) -> pa.Table:
    """`schemas.user_schema`, a row for each of `user_ids`, with nothing in it for one not in the table.

    Rows without an id, or with a number that is none, are set aside; users without
    an event are of no use, and are none of these rows.

    Raises:
      DataError: an id comes twice.
    """
    specs = params.user_features
    schema = schemas.user_schema(specs)
    parts, where = [], []
    for chunk in tables.read(source, bad, params.max_line_bytes) if source else ():
        assert source is not None
        ids = chunk.table[layouts.USER].cast(pa.string())
        empty = pc.equal(ids, "").to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(empty).tolist():
            reason = f"{source.columns[layouts.USER]} is '', expected a non-empty id"
            add_bad(source, chunk, row, quarantine.MISSING, reason, bad)
        good = own_columns.good(source, chunk, specs, ~empty, bad)
        kept = chunk.table.filter(pa.array(good))
        table = pa.table({contract.USER_ID: ids.filter(pa.array(good))})
        parts.append(own_columns.append(table, kept, specs, params.list_separator))
        where += [(source.files[chunk.file].name, line) for line in chunk.lines[good].tolist()]
    known = pa.concat_tables(parts).combine_chunks() if parts else None
    if known is None:
        return _nothing(schema, len(user_ids))
    ids = known[contract.USER_ID].combine_chunks()
    codes = ids.dictionary_encode().indices.to_numpy()
    first = np.zeros(len(codes), bool)
    first[np.unique(codes, return_index=True)[1]] = True
    if not first.all():
        row = int(np.flatnonzero(~first)[0])
        assert source is not None
        (file, line), name = where[row], source.columns[layouts.USER]
        raise DataError(
            file, f"{name} is {ids[row].as_py()!r}, expected an id that no earlier line has", line
        )
    # One row more, of nothing, for users who are not in the table.
    columns = known.select([spec.name for spec in specs]).rename_columns(schema.names).cast(schema)
    columns = pa.concat_tables([columns, _nothing(schema, 1)]).combine_chunks()
    return columns.take(pc.fill_null(pc.index_in(user_ids, ids), len(known)))


def _nothing(schema: pa.Schema, rows: int) -> pa.Table:
    cells = {field.name: [] if pa.types.is_large_list(field.type) else "" for field in schema}
    return pa.Table.from_pylist([cells] * rows, schema)
