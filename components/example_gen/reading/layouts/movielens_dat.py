"""MovieLens 1m and 10m: .dat with "::" between the columns and no header; 1m is Latin-1, 10m UTF-8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import text_blocks
from components.example_gen.reading.detection import encodings
from components.example_gen.reading.layouts.layout import Layout, folder_of, has, present, table
from components.example_gen.reading.layouts.movielens_csv import (
    ITEM_NOUN,
    ITEMS_KINDS,
    RATINGS_KINDS,
    TAGS_KINDS,
)
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import Dataset, Delimited, Kind, Source


def _detect(path: Place, params: ExampleGenParams) -> bool:
    return not params.columns and has(path, "ratings.dat")


def _describe(path: Place, params: ExampleGenParams) -> Dataset:
    def of(name: str, file: Place, kinds: Mapping[str, Kind], *names: str) -> Source:
        encoding = params.encoding or ("utf-8" if _is_utf8(file) else "latin-1")
        return table(name, file, Delimited("::", names, quoted=False, encoding=encoding), kinds, names)

    folder = folder_of(path)
    ratings, items, tags = (present(folder, f"{name}.dat") for name in ("ratings", "movies", "tags"))
    return Dataset(
        LAYOUT.name,
        of("ratings", ratings, RATINGS_KINDS, "UserID", "MovieID", "Rating", "Timestamp"),
        of("items", items, ITEMS_KINDS, "MovieID", "Title", "Genres"),
        of("tags", tags, TAGS_KINDS, "UserID", "MovieID", "Tag", "Timestamp") if tags.exists() else None,
        item_noun=ITEM_NOUN,
    )


def _is_utf8(path: Place) -> bool:
    if not path.is_file():
        return True
    return encodings.mostly_utf8(text_blocks.chunks(path, text_blocks.BLOCK_BYTES))


LAYOUT: Final = Layout(
    "movielens-dat", "a folder with ratings.dat and movies.dat (MovieLens 1m, 10m)", _detect, _describe
)
