"""Interactions as files and as tables."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from components.example_gen import interactions
from components.example_gen.interactions import Interactions

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.0,100\n1,20,3.5,200\n1,30,5.0,300\n2,10,0.5,100\n"
MOVIES = """movieId,title,genres
10,Toy Story (1995),Adventure|Comedy
20,Heat (1995),Crime
30,Babylon 5,Sci-Fi
"""
TAGS = "userId,movieId,tag,timestamp\n1,10,Fun,90\n"


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder in the MovieLens layout; each file is text or bytes, None leaves it out."""

    def write(
        ratings: str | bytes | None = RATINGS,
        movies: str | bytes | None = MOVIES,
        tags: str | bytes | None = TAGS,
    ) -> Path:
        for name, content in (("ratings.csv", ratings), ("movies.csv", movies), ("tags.csv", tags)):
            (tmp_path / name).unlink(missing_ok=True)
            if content is not None:
                data = content if isinstance(content, bytes) else content.encode()
                (tmp_path / name).write_bytes(data)
        return tmp_path

    return write


@pytest.fixture(scope="session")
def make_log() -> Callable[..., Interactions]:
    """Builds Interactions of (user, movie, stars, seconds), (user, movie, tag, seconds) and movie ids."""

    def table(rows: Sequence[Sequence], schema: pa.Schema) -> pa.Table:
        columns = zip(*rows, strict=True) if rows else [()] * len(schema)
        arrays = [
            pa.array(column, pa.string()).dictionary_encode()
            if field.type == interactions.ID
            else pa.array(column, field.type)
            for column, field in zip(columns, schema, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def make(ratings: Sequence, tags: Sequence, movies: Sequence[str]) -> Interactions:
        return Interactions(
            ratings=table(ratings, interactions.RATINGS_SCHEMA),
            movies=table(
                [(id_, f"Title {id_}", 1990, ["Drama"]) for id_ in movies], interactions.MOVIES_SCHEMA
            ),
            tags=table(tags, interactions.TAGS_SCHEMA),
        )

    return make
