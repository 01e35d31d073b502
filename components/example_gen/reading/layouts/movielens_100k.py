"""MovieLens 100k: u.data and u.item, Latin-1, without a header; a column per genre that is 0 or 1."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from components.common import ragged
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.layouts.layout import Layout, folder_of, has, present, table
from components.example_gen.reading.layouts.movielens_csv import ITEM_NOUN, RATINGS_KINDS
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import GENRES, ITEM, TITLE, Dataset, Delimited, Kind, Source

GENRE_COLUMNS: Final = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_RATINGS: Final = ("user id", "item id", "rating", "timestamp")
_ITEMS: Final = ("movie id", "movie title", "release date", "video release date", "IMDb URL", *GENRE_COLUMNS)


def _detect(path: Place, params: ExampleGenParams) -> bool:
    return not params.columns and has(path, "u.data") and present(folder_of(path), "u.item").is_file()


def _describe(path: Place, params: ExampleGenParams) -> Dataset:
    folder, encoding = folder_of(path), params.encoding or "latin-1"
    kinds: dict[str, Kind] = {ITEM: "id", TITLE: "text", **dict.fromkeys(GENRE_COLUMNS, "integer")}
    return Dataset(
        LAYOUT.name,
        table(
            "ratings",
            present(folder, "u.data"),
            Delimited("\t", _RATINGS, quoted=False, encoding=encoding),
            RATINGS_KINDS,
            _RATINGS,
        ),
        Source(
            "items",
            (present(folder, "u.item"),),
            Delimited("|", _ITEMS, quoted=False, encoding=encoding),
            {ITEM: _ITEMS[0], TITLE: _ITEMS[1], **{name: name for name in GENRE_COLUMNS}},
            kinds,
            rows=_with_genres,
        ),
        item_noun=ITEM_NOUN,
    )


def _with_genres(table: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """The columns of 0 and 1 as lists of genres; "unknown" is none."""
    names = GENRE_COLUMNS[1:]
    has = np.stack([table[name].to_numpy() == 1 for name in names], axis=1)
    rows, columns = np.nonzero(has)
    genres = ragged.from_rows(rows, pa.array(names, pa.string()).take(pa.array(columns)), len(table))
    return table.select([ITEM, TITLE]).append_column(GENRES, genres), np.arange(len(table))


LAYOUT: Final = Layout(
    "movielens-100k", "a folder with u.data and u.item (MovieLens 100k)", _detect, _describe
)
