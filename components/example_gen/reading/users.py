"""What is known of users beside their events: the user's own table, in the order of the log's users."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import own_columns, tables
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.reading.source import USER, Source
from components.example_gen.records import schemas


def read_users(
    source: Source | None, user_ids: pa.StringArray, params: ExampleGenParams, bad: Quarantine
) -> pa.Table:
    """`schemas.user_schema`, a row for each of `user_ids`, with nothing in it for one not in the table.

    Rows of users without an event are of no use, and are none of these rows.

    Raises:
      DataError: as `tables.read_by_id`.
    """
    specs = params.user_features
    schema = schemas.user_schema(specs)
    if source is None:
        return _nothing(schema, len(user_ids))
    cells = tables.read_by_id(source, USER, bad, params.max_line_bytes)
    known = own_columns.append(cells.select([USER]), cells, specs, params.list_separator)
    # One row more, of nothing, for users who are not in the table.
    columns = known.select([spec.name for spec in specs]).rename_columns(schema.names).cast(schema)
    columns = pa.concat_tables([columns, _nothing(schema, 1)]).combine_chunks()
    at = pc.index_in(user_ids, known[USER].combine_chunks())
    return columns.take(pc.fill_null(at, len(known)))


def _nothing(schema: pa.Schema, rows: int) -> pa.Table:
    cells = {field.name: [] if pa.types.is_large_list(field.type) else "" for field in schema}
    return pa.Table.from_pylist([cells] * rows, schema)
