"""The MovieLens CSV layout: ratings.csv, movies.csv and, optionally, tags.csv.

As published by GroupLens (F. Maxwell Harper and Joseph A. Konstan, "The
MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components import contract
from components.example_gen import interactions, ragged
from components.example_gen.csv_table import line_of, read_table
from components.example_gen.errors import DataError
from components.example_gen.interactions import ID, Interactions

RATINGS = "ratings.csv"
MOVIES = "movies.csv"
TAGS = "tags.csv"
# What `read` opens, in the order of the fingerprint.
FILES = (RATINGS, MOVIES, TAGS)

_RATINGS_TYPES = {"userId": ID, "movieId": ID, "rating": pa.float32(), "timestamp": pa.int64()}
_MOVIES_TYPES = {"movieId": pa.string(), "title": pa.string(), "genres": pa.string()}
_TAGS_TYPES = {"userId": ID, "movieId": ID, "tag": pa.string(), "timestamp": pa.int64()}

_NO_GENRES = "(no genres listed)"
# "Toy Story (1995)", "Justice League (2008) ", "Death Note (2006–2007)", "The OA (2016- )".
_TITLE_AND_YEAR = r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:\s*[-–—]\s*(?:\d{4})?)?\s*\)$"


@dataclasses.dataclass(frozen=True)
class Rule:
    """One thing that must hold in every row of a file.

    Attributes:
      column: the column that is shown when the rule is broken.
      expected: what the column should hold, for the message.
      broken: table -> bool[rows], True where a row breaks the rule.
    """

    column: str
    expected: str
    broken: Callable[[pa.Table], np.ndarray]


def read(folder: Path | str) -> Interactions:
    """Reads a folder in the MovieLens CSV layout.

    Raises:
      DataError: for anything that cannot be used, naming file, line, what came
        and what was expected.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(folder.name, f"{folder} is no folder; expected one with {RATINGS} and {MOVIES}")

    movies = read_table(folder / MOVIES, _MOVIES_TYPES)
    _require_rows(movies, MOVIES)
    _check(folder / MOVIES, movies, (_not_empty("movieId"), _unique("movieId")))
    movie_ids = movies["movieId"].combine_chunks()

    ratings = read_table(folder / RATINGS, _RATINGS_TYPES)
    _require_rows(ratings, RATINGS)
    of_known_movie = (_not_empty("userId"), _known_movie(movie_ids), _UNIX_SECONDS)
    _check(folder / RATINGS, ratings, (*of_known_movie, _STARS, _RATED_ONCE))

    if (folder / TAGS).exists():
        tags = read_table(folder / TAGS, _TAGS_TYPES)
        _check(folder / TAGS, tags, of_known_movie)
    else:
        tags = pa.schema(list(_TAGS_TYPES.items())).empty_table()

    titles, years = split_titles(movies["title"].combine_chunks())
    return Interactions(
        ratings=_as(ratings, interactions.RATINGS_SCHEMA),
        movies=pa.Table.from_arrays(
            [movie_ids, titles, years, split_genres(movies["genres"].combine_chunks())],
            schema=interactions.MOVIES_SCHEMA,
        ),
        tags=_as(tags, interactions.TAGS_SCHEMA),
    )


def split_titles(titles: pa.StringArray) -> tuple[pa.StringArray, pa.Int64Array]:
    """ "Toy Story (1995)" -> "Toy Story", 1995; of a range the first year; no year -> 0."""
    trimmed = pc.utf8_trim_whitespace(titles)
    # A title without a year does not match: its struct is null, and so are both fields.
    parts = pc.extract_regex(trimmed, _TITLE_AND_YEAR)
    return (
        pc.coalesce(pc.struct_field(parts, "title"), trimmed),
        pc.fill_null(pc.struct_field(parts, "year").cast(pa.int64()), 0),
    )


def split_genres(genres: pa.StringArray) -> pa.LargeListArray:
    """ "Action|Sci-Fi" -> ["Action", "Sci-Fi"]; "(no genres listed)" and "" -> []."""
    names = pc.split_pattern(genres, "|")
    values = pc.utf8_trim_whitespace(pc.list_flatten(names))
    rows = pc.list_parent_indices(names).to_numpy()
    kept = pc.invert(pc.is_in(values, pa.array(["", _NO_GENRES])))
    return ragged.from_rows(rows[kept.to_numpy(zero_copy_only=False)], values.filter(kept), len(genres))


def _check(path: Path, table: pa.Table, rules: tuple[Rule, ...]) -> None:
    """Raises a DataError for the first row that breaks a rule."""
    broken = [rule.broken(table) for rule in rules]
    rows = np.flatnonzero(np.logical_or.reduce(broken))
    if not rows.size:
        return
    row = int(rows[0])
    rule = next(rule for rule, mask in zip(rules, broken, strict=True) if mask[row])
    came = table[rule.column][row].as_py()
    raise DataError(path.name, f"{rule.column} is {came!r}, expected {rule.expected}", line_of(path, row))


def _require_rows(table: pa.Table, file: str) -> None:
    if not table.num_rows:
        raise DataError(file, "has a header but no rows; expected at least one")


def _not_stars(table: pa.Table) -> np.ndarray:
    stars = table["rating"].to_numpy()
    # Written so that NaN, which compares false with everything, is broken too.
    return ~((stars >= contract.MIN_RATING) & (stars <= contract.MAX_RATING))


_STARS = Rule("rating", f"{contract.MIN_RATING:g} to {contract.MAX_RATING:g} stars", _not_stars)
_UNIX_SECONDS = Rule("timestamp", "Unix seconds, 0 or later", lambda table: table["timestamp"].to_numpy() < 0)


def _not_empty(column: str) -> Rule:
    # The empty string pads ids in every signature, so it cannot be one.
    return Rule(column, "a non-empty id", lambda table: _among(table[column], pa.array([""])))


def _known_movie(movie_ids: pa.StringArray) -> Rule:
    return Rule("movieId", f"a movieId of {MOVIES}", lambda table: ~_among(table["movieId"], movie_ids))


def _unique(column: str) -> Rule:
    return Rule(column, "an id that no earlier line has", lambda table: _repeated(_codes(table[column])))


def _rated_before(table: pa.Table) -> np.ndarray:
    movies = _codes(table["movieId"])
    return _repeated(_codes(table["userId"]) * (movies.max(initial=0) + 1) + movies)


# A movie that is in a history is never recommended, so as a target it could not be found.
_RATED_ONCE = Rule("movieId", "a movie that this user has not rated on an earlier line", _rated_before)


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """int64[rows]: equal numbers for equal cells."""
    cells = column.combine_chunks()
    if not isinstance(cells, pa.DictionaryArray):
        cells = cells.dictionary_encode()
    return cells.indices.to_numpy().astype(np.int64)


def _repeated(codes: np.ndarray) -> np.ndarray:
    """bool[rows]: whether an earlier row has the same code."""
    first = np.zeros(len(codes), bool)
    first[np.unique(codes, return_index=True)[1]] = True
    return ~first


def _among(column: pa.ChunkedArray, values: pa.StringArray) -> np.ndarray:
    """bool[rows]: whether the cell is one of `values`; dictionaries are looked up once per entry."""
    masks = []
    for chunk in column.chunks:
        if isinstance(chunk, pa.DictionaryArray):
            found = pc.is_in(chunk.dictionary, values).to_numpy(zero_copy_only=False)
            masks.append(found[chunk.indices.to_numpy()])
        else:
            masks.append(pc.is_in(chunk, values).to_numpy(zero_copy_only=False))
    return np.concatenate(masks) if masks else np.zeros(0, bool)


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Gives the columns, which are in the schema's order, the schema's names."""
    return table.rename_columns(schema.names).cast(schema)
