"""MovieLens latest, 20m, 25m and 32m: CSV with a header.

F. Maxwell Harper and Joseph A. Konstan, "The MovieLens Datasets: History and Context", ACM TiiS
5(4), 2015; as published by GroupLens. So are `movielens_dat` and `movielens_100k`.
"""

from __future__ import annotations

from typing import Final

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import text_blocks
from components.example_gen.reading.layouts.layout import Layout, folder_of, has, present, table
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import (
    GENRES,
    ITEM,
    RATING,
    TAG,
    TIME,
    TITLE,
    USER,
    Dataset,
    Delimited,
    Kind,
)

ITEM_NOUN: Final = "movie"
RATINGS_KINDS: Final[dict[str, Kind]] = {USER: "id", ITEM: "id", RATING: "number", TIME: "time:s"}
ITEMS_KINDS: Final[dict[str, Kind]] = {ITEM: "id", TITLE: "text", GENRES: "text"}
TAGS_KINDS: Final[dict[str, Kind]] = {USER: "id", ITEM: "id", TAG: "text", TIME: "time:s"}


def _detect(path: Place, params: ExampleGenParams) -> bool:
    if params.columns or not has(path, "ratings.csv"):
        return False
    # Many logs are called so; MovieLens's have its names of columns, or a table that has them.
    files = [present(folder_of(path), name) for name in ("ratings.csv", "movies.csv")]
    return any(file.is_file() and _names_movies(file) for file in files)


def _names_movies(file: Place) -> bool:
    try:
        first = text_blocks.head(file).split(b"\n")[0]
    except DataError:
        return True  # a damaged file, of which the reader says so
    return any(name in first for name in (b"movieId", b"userId"))


def _describe(path: Place, params: ExampleGenParams) -> Dataset:
    folder, format_ = folder_of(path), Delimited(encoding=params.encoding or "utf-8")
    ratings, items, tags = (present(folder, f"{name}.csv") for name in ("ratings", "movies", "tags"))
    return Dataset(
        LAYOUT.name,
        table("ratings", ratings, format_, RATINGS_KINDS, ("userId", "movieId", "rating", "timestamp")),
        table("items", items, format_, ITEMS_KINDS, ("movieId", "title", "genres")),
        table("tags", tags, format_, TAGS_KINDS, ("userId", "movieId", "tag", "timestamp"))
        if tags.exists()
        else None,
        item_noun=ITEM_NOUN,
    )


LAYOUT: Final = Layout(
    "movielens-csv",
    "a folder with ratings.csv and movies.csv (MovieLens latest, 20m, 25m, 32m)",
    _detect,
    _describe,
)
