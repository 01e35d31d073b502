"""The stored events as a Parquet file that a pipeline's `data` takes beside its base log.

Erasures are applied by what they are: an erased person has no events. A later export replaces the file.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

import contract
from serving.app.results import STARS, Scale
from serving.app.store import tables
from serving.app.store.database import parse

# As components/example_gen/reading/layouts/events.py reads it: times in Unix seconds; no rating is null.
SCHEMA = pa.schema(
    [
        ("user", pa.string()),
        ("item", pa.string()),
        ("event", pa.string()),
        ("rating", pa.float32()),
        ("time", pa.int64()),
    ]
)
_ROWS = 50_000
SCALE = (contract.MIN_RATING, contract.MAX_RATING)


def write(url: str, path: Path, scale: tuple[float, float] = SCALE) -> int:
    """Writes all events, by person and time; a file that is there is replaced as a whole.

    Args:
      scale: lowest and highest rating of the data, on which likes and dislikes are.

    Of several ratings that a person gave an item the last has one, the others stay as events without.

    Returns:
      How many events were written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    count = 0
    try:
        with pq.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
            for rows in _batches(url, scale):
                count += len(rows)
                writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)  # what people did, in a file that nobody looks for
    return count


def _batches(url: str, scale: tuple[float, float]) -> Iterator[list[dict[str, Any]]]:
    events = tables.events.c
    query = (
        sa.select(tables.people.c.id, events.kind, events.item_id, events.value, events.time, events.person)
        .select_from(tables.events.join(tables.people))
        .order_by(events.person, events.time, events.number)
    )
    ratings = {kind: Scale.of(*scale).rating(stars) for kind, stars in STARS.items()}
    engine = sa.create_engine(parse(url), hide_parameters=True)
    try:
        with engine.connect() as connection:
            rows: list[dict[str, Any]] = []
            last: dict[str, dict[str, Any]] = {}
            person = None
            for row in connection.execution_options(yield_per=_ROWS).execute(query):
                if row.person != person:
                    person, last = row.person, {}
                    if len(rows) >= _ROWS:
                        yield rows
                        rows = []
                rating = row.value if row.kind == "rating" else ratings.get(row.kind)
                one = {
                    "user": row.id,
                    "item": row.item_id,
                    "event": row.kind,
                    "rating": rating,
                    "time": row.time,
                }
                if rating is not None:
                    if row.item_id in last:
                        last[row.item_id]["rating"] = None
                    last[row.item_id] = one
                rows.append(one)
            if rows:
                yield rows
    finally:
        engine.dispose()
