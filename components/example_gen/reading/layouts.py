"""Which layout a path holds, and which file and column of it means what.

MovieLens as published by GroupLens (F. Maxwell Harper and Joseph A. Konstan, "The
MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015): ml-latest and 20m,
25m, 32m are CSV; 1m and 10m are .dat with "::" between the columns; 100k is u.data
and u.item. Beside these: lines of `user item` in time order, and the user's own
log, CSV or Parquet, with a column map.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Final

from components.common.features import own
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import text_blocks
from components.example_gen.reading.places import Place, place
from components.example_gen.reading.tables import Kind, TableFiles, TextFormat

MOVIELENS_CSV: Final = "movielens-csv"
MOVIELENS_DAT: Final = "movielens-dat"
MOVIELENS_100K: Final = "movielens-100k"
PAIRS: Final = "pairs"
CSV: Final = "csv"
PARQUET: Final = "parquet"

# What a column means, as the tables name it.
USER: Final = "user"
ITEM: Final = "item"
RATING: Final = "rating"
EVENT: Final = "event"
TIME: Final = "time"
TITLE: Final = "title"
YEAR: Final = "year"
GENRES: Final = "genres"
TAG: Final = "tag"

_RATINGS_KINDS: Final[dict[str, Kind]] = {USER: "id", ITEM: "id", RATING: "number", TIME: "time:s"}
_ITEMS_KINDS: Final[dict[str, Kind]] = {ITEM: "text", TITLE: "text", GENRES: "text"}
_TAGS_KINDS: Final[dict[str, Kind]] = {USER: "id", ITEM: "id", TAG: "text", TIME: "time:s"}
# Columns of u.item that are 1 where a film has the genre.
GENRES_100K: Final = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip

_MARKS: Final = {MOVIELENS_CSV: "ratings.csv", MOVIELENS_DAT: "ratings.dat", MOVIELENS_100K: "u.data"}
_CSV_NAMES: Final = re.compile(r".*\.(csv|tsv)(\.gz)?", re.IGNORECASE)
_PARQUET_NAMES: Final = re.compile(r".*\.(parquet|pq)", re.IGNORECASE)
_KNOWN: Final = (
    "expected a folder with ratings.csv and movies.csv (MovieLens latest, 20m, 25m, 32m), ratings.dat and "
    "movies.dat (1m, 10m) or u.data and u.item (100k); a text file of `user item` lines; or, with "
    "example_gen.columns, your own CSV or Parquet file or a folder of them"
)


@dataclasses.dataclass(frozen=True)
class Layout:
    """The tables of a data set.

    Attributes:
      name: one of the names above.
      ratings, items, tags: their files; without items they are those of the
        ratings, without tags there are none.
      users: what is known of users beside their events, None for nothing.
    """

    name: str
    ratings: TableFiles
    items: TableFiles | None = None
    tags: TableFiles | None = None
    users: TableFiles | None = None

    @property
    def implicit(self) -> bool:
        """Whether the events have no ratings."""
        return RATING not in self.ratings.columns

    @property
    def files(self) -> tuple[Place, ...]:
        """Every file that is read."""
        tables = (self.ratings, self.items, self.tags, self.users)
        return tuple(path for table in tables if table for path in table.files)

    def __str__(self) -> str:
        """For instance "movielens-dat: ratings.dat, movies.dat (Latin-1)"."""
        texts = []
        for table in (self.ratings, self.items, self.tags, self.users):
            if table:
                latin1 = " (Latin-1)" if table.format and table.format.latin1 else ""
                more = f" and {len(table.files) - 1} more" if len(table.files) > 1 else ""
                texts.append(table.files[0].name + more + latin1)
        notes = []
        if self.implicit:
            weights = f"by {self.ratings.columns[EVENT]}" if EVENT in self.ratings.columns else "alike"
            notes.append(f"no ratings: events count {weights}")
        if TIME not in self.ratings.columns:
            notes.append("in the order of the rows")
        return "; ".join([f"{self.name}: {', '.join(texts)}", *notes])


def detect(path: Place | str, params: ExampleGenParams) -> Layout:
    """The layout of a file or folder, or the one that `params` names.

    A companion file that is missing is found when it is read.

    Raises:
      DataError: no such path, or nothing there that is known.
    """
    path = place(path)
    try:
        there = path.exists()
    except OSError as error:
        raise DataError(path.name, f"{path} cannot be reached: {error}; {_KNOWN}") from error
    if not there:
        raise DataError(path.name, f"{path} is not a file or folder; {_KNOWN}")
    name = _name(path, params) if params.layout == "auto" else params.layout
    folder = path if path.is_dir() else path.parent
    if name == MOVIELENS_CSV:
        return _movielens_csv(folder, params)
    if name == MOVIELENS_DAT:
        return _movielens_dat(folder, params)
    if name == MOVIELENS_100K:
        return _movielens_100k(folder, params)
    if name == PAIRS:
        return _pairs(path, params)
    return _own(name, path, params)


def _name(path: Place, params: ExampleGenParams) -> str:
    if params.columns:
        return PARQUET if _files(path, _PARQUET_NAMES) and not _files(path, _CSV_NAMES) else CSV
    for name, mark in _MARKS.items():
        if path.is_dir() and _present(path, mark).exists():
            return name
        if path.is_file() and path.name in (mark, f"{mark}.gz"):
            return name
    if path.is_file() and not _PARQUET_NAMES.fullmatch(path.name):
        lines = [line.split() for line in text_blocks.head(path).split(b"\n")[:20] if line.strip()]
        if lines and all(len(words) == 2 for words in lines):
            return PAIRS
    found = _files(path, _PARQUET_NAMES) or _files(path, _CSV_NAMES)
    if found:
        raise DataError(
            found[0].name,
            "is no MovieLens file; say which columns of it mean what: --set 'example_gen.columns={user: ..., "
            f"item: ..., rating: ..., time: ...}}'; or {_KNOWN}",
        )
    what = "holds none of the files that are known" if path.is_dir() else "is of no layout that is known"
    raise DataError(path.name, f"{path} {what}; {_KNOWN}")


def _movielens_csv(folder: Place, params: ExampleGenParams) -> Layout:
    format_ = TextFormat(latin1=params.encoding == "latin-1")

    def table(name: str, file: str, kinds: dict[str, Kind], names: Sequence[str]) -> TableFiles:
        columns = dict(zip(kinds, names, strict=True))
        return TableFiles(name, (_present(folder, file),), columns, kinds, format_)

    tags = table("tags", "tags.csv", _TAGS_KINDS, ("userId", "movieId", "tag", "timestamp"))
    return Layout(
        MOVIELENS_CSV,
        table("ratings", "ratings.csv", _RATINGS_KINDS, ("userId", "movieId", "rating", "timestamp")),
        table("items", "movies.csv", _ITEMS_KINDS, ("movieId", "title", "genres")),
        tags if tags.files[0].exists() else None,
    )


def _movielens_dat(folder: Place, params: ExampleGenParams) -> Layout:
    def table(name: str, file: str, kinds: dict[str, Kind], names: Sequence[str]) -> TableFiles:
        path = _present(folder, file)
        latin1 = params.encoding == "latin-1" if params.encoding else not _is_utf8(path)
        format_ = TextFormat("::", tuple(names), quoted=False, latin1=latin1)
        return TableFiles(name, (path,), dict(zip(kinds, names, strict=True)), kinds, format_)

    tags = table("tags", "tags.dat", _TAGS_KINDS, ("UserID", "MovieID", "Tag", "Timestamp"))
    return Layout(
        MOVIELENS_DAT,
        table("ratings", "ratings.dat", _RATINGS_KINDS, ("UserID", "MovieID", "Rating", "Timestamp")),
        table("items", "movies.dat", _ITEMS_KINDS, ("MovieID", "Title", "Genres")),
        tags if tags.files[0].exists() else None,
    )


def _movielens_100k(folder: Place, params: ExampleGenParams) -> Layout:
    ratings = ("user id", "item id", "rating", "timestamp")
    items = ("movie id", "movie title", "release date", "video release date", "IMDb URL", *GENRES_100K)
    latin1 = params.encoding != "utf-8"
    return Layout(
        MOVIELENS_100K,
        TableFiles(
            "ratings",
            (_present(folder, "u.data"),),
            dict(zip(_RATINGS_KINDS, ratings, strict=True)),
            _RATINGS_KINDS,
            TextFormat("\t", ratings, quoted=False, latin1=latin1),
        ),
        TableFiles(
            "items",
            (_present(folder, "u.item"),),
            {ITEM: items[0], TITLE: items[1], **{name: name for name in GENRES_100K}},
            {ITEM: "text", TITLE: "text", **dict.fromkeys(GENRES_100K, "integer")},
            TextFormat("|", items, quoted=False, latin1=latin1),
        ),
    )


def _pairs(path: Place, params: ExampleGenParams) -> Layout:
    files = (path,) if path.is_file() else _files(path, re.compile(r".*\.(txt|inter)(\.gz)?"))
    if not files:
        raise DataError(path.name, f"{path} has no .txt file; expected lines of `user item` in time order")
    format_ = TextFormat(" ", (USER, ITEM), quoted=False, latin1=params.encoding == "latin-1")
    columns: dict[str, str] = {USER: USER, ITEM: ITEM}
    return Layout(PAIRS, TableFiles("ratings", files, columns, {USER: "id", ITEM: "id"}, format_))


def _own(name: str, path: Place, params: ExampleGenParams) -> Layout:
    if not params.columns:
        raise DataError(
            path.name,
            f"layout {name} needs example_gen.columns: which columns mean user, item, rating and time",
        )
    time: Kind = f"time:{params.time_unit}"  # type: ignore[assignment]
    kinds: dict[str, Kind] = {USER: "id", ITEM: "id", RATING: "number", EVENT: "id", TIME: time}
    folder = path if path.is_dir() else path.parent
    items_file = folder / params.items if params.items else None
    users_file = folder / params.users if params.users else None
    others = {file.resolve() for file in (items_file, users_file) if file}
    files = tuple(
        file
        for file in _files(path, _PARQUET_NAMES if name == PARQUET else _CSV_NAMES)
        if file.resolve() not in others
    )
    if not files:
        wanted = "*.parquet" if name == PARQUET else "*.csv, *.tsv or *.csv.gz"
        raise DataError(path.name, f"{path} has no file {wanted}")
    return Layout(
        name,
        TableFiles(
            "ratings",
            files,
            dict(params.columns),
            _kinds(params.columns, kinds),
            _own_format(files[0], params),
        ),
        None if items_file is None else _own_items(items_file, params),
        users=None if users_file is None else _own_users(users_file, params),
    )


def _own_items(file: Place, params: ExampleGenParams) -> TableFiles:
    # Parquet has lists of its own; a cell of text is split.
    specs = own(params.item_features)
    kinds: dict[str, Kind] = {ITEM: "text", TITLE: "text", YEAR: "text", GENRES: "texts"}
    kinds |= {spec.name: "texts" if spec.kind == "multi" else "cell" for spec in specs}
    columns = {**params.item_columns, **{spec.name: spec.source for spec in specs}}
    if _PARQUET_NAMES.fullmatch(file.name):
        kinds[ITEM], kinds[YEAR] = "id", "integer"
    return TableFiles(
        "items",
        (file,),
        columns,
        _kinds(columns, kinds),
        _own_format(file, params),
        optional=frozenset(columns) - {ITEM},
    )


def _own_users(file: Place, params: ExampleGenParams) -> TableFiles:
    specs = params.user_features
    columns = {**params.user_columns, **{spec.name: spec.source for spec in specs}}
    kinds: dict[str, Kind] = {spec.name: "texts" if spec.kind == "multi" else "cell" for spec in specs}
    kinds[USER] = "id"
    optional = frozenset(columns) - {USER}
    return TableFiles("users", (file,), columns, _kinds(columns, kinds), _own_format(file, params), optional)


def _own_format(file: Place, params: ExampleGenParams) -> TextFormat | None:
    if _PARQUET_NAMES.fullmatch(file.name):
        return None
    tabs = params.delimiter == "," and ".tsv" in file.suffixes
    return TextFormat("\t" if tabs else params.delimiter, latin1=params.encoding == "latin-1")


def _kinds(columns: Mapping[str, str], kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    return {role: kinds[role] for role in columns}


def _files(path: Place, pattern: re.Pattern[str]) -> tuple[Place, ...]:
    """The files that match, in order of their names: the path itself, or those below it."""
    if path.is_file():
        return (path,) if pattern.fullmatch(path.name) else ()
    return tuple(sorted(file for file in path.rglob("*") if file.is_file() and pattern.fullmatch(file.name)))


def _present(folder: Place, name: str) -> Place:
    """The file, or its gzipped form where only that is there."""
    packed = folder / f"{name}.gz"
    return packed if packed.exists() and not (folder / name).exists() else folder / name


def _is_utf8(path: Place) -> bool:
    """Whether a file is UTF-8, as 10m is; 1m is Latin-1."""
    if not path.is_file():
        return True
    # One line that is no UTF-8 is a bad line; a whole catalogue of them is another encoding.
    good = bad = 0
    for block in text_blocks.blocks(path, latin1=False, quoted=False, max_line_bytes=text_blocks.BLOCK_BYTES):
        if isinstance(block, text_blocks.BadLine) or block.data.isascii():
            continue
        for line in block.data.split(b"\n"):
            if not line.isascii():
                try:
                    line.decode()
                    good += 1
                except UnicodeDecodeError:
                    bad += 1
    return good >= bad
