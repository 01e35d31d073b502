"""What every reader delivers, whatever the layout of its files."""

from __future__ import annotations

import dataclasses

import pyarrow as pa

from components import contract

# Ids repeat a lot: a dictionary column stores each once and an int32 per row.
ID = pa.dictionary(pa.int32(), pa.string())

# Columns of the tables below that are not features themselves.
RATING = "rating"
TIMESTAMP = "timestamp"
TAG = "tag"

RATINGS_SCHEMA = pa.schema(
    [(contract.USER_ID, ID), (contract.MOVIE_ID, ID), (RATING, pa.float32()), (TIMESTAMP, pa.int64())]
)
MOVIES_SCHEMA = pa.schema(
    [
        (contract.MOVIE_ID, pa.string()),
        (contract.TITLE, pa.string()),
        (contract.YEAR, pa.int64()),
        (contract.GENRES, pa.large_list(pa.string())),
    ]
)
TAGS_SCHEMA = pa.schema(
    [(contract.USER_ID, ID), (contract.MOVIE_ID, ID), (TAG, pa.string()), (TIMESTAMP, pa.int64())]
)


@dataclasses.dataclass(frozen=True)
class Interactions:
    """A checked log: every rated or tagged movie is in `movies`, once.

    Attributes:
      ratings: RATINGS_SCHEMA, one row per rating in the file's order; stars and
        Unix seconds.
      movies: MOVIES_SCHEMA, one row per movie; year 0 if none.
      tags: TAGS_SCHEMA, one row per tag as written by its author; may be empty.
    """

    ratings: pa.Table
    movies: pa.Table
    tags: pa.Table

    def __post_init__(self) -> None:
        for name, schema in (("ratings", RATINGS_SCHEMA), ("movies", MOVIES_SCHEMA), ("tags", TAGS_SCHEMA)):
            table = getattr(self, name)
            if not table.schema.equals(schema):
                raise TypeError(f"{name} must have the schema\n{schema}\nreceived\n{table.schema}")
