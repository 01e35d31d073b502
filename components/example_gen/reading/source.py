"""What a data set is before it is read: its tables, their files, format and the meaning of their columns.

A layout describes a data set so; the readers obey the description and know of no layout.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from components.example_gen.reading.places import Place
from components.example_gen.reading.rows.conditions import MISSING_MARKERS, Condition

# What a column means.
USER: Final = "user"
ITEM: Final = "item"
RATING: Final = "rating"
EVENT: Final = "event"
WEIGHT: Final = "weight"
TIME: Final = "time"
OFFSET: Final = "offset"  # from the time, such as the hour of a date
TITLE: Final = "title"
YEAR: Final = "year"
GENRES: Final = "genres"
TAG: Final = "tag"
KEY: Final = "key"  # by which rows of one table name those of another

# What the cells of a column must be; `cells.typed` says the type that each is read as.
# "any" is of a look at a file that is not read.
# A time is "time:" and a unit, "iso" or a format of strptime; what is added to it "offset:" and a unit.
# "time@Europe/Paris:" is one of that place's clocks where it says no zone.
Kind = str


@dataclasses.dataclass(frozen=True)
class Delimited:
    """Text files with a record per line.

    Attributes:
      delimiter: between the columns: one or two characters; " " is any blanks.
      names: of the columns, in order; None: the first line has them.
      quoted: whether double quotes enclose values.
      encoding: of the bytes, as Python names it.
      comment: what a line begins with that is none.
      head_comment: the same of the lines before the first other one alone.
      above: how many lines come before the header, or the first record, and are none: a title.
      decimal: the character between a number's whole part and its fraction.
    """

    delimiter: str = ","
    names: tuple[str, ...] | None = None
    quoted: bool = True
    encoding: str = "utf-8"
    comment: str | None = None
    head_comment: str | None = None
    above: int = 0
    decimal: str = "."


@dataclasses.dataclass(frozen=True)
class JsonLines:
    """Text files with a JSON object per line; a column is a key, or a path of keys such as a.b.

    Attributes:
      encoding: of the bytes.
    """

    encoding: str = "utf-8"


@dataclasses.dataclass(frozen=True)
class Parquet:
    """Parquet files, which say of themselves all that `Delimited` says of text."""


@dataclasses.dataclass(frozen=True)
class Sheet:
    """Sheets of Excel or OpenDocument; the first row of each has the names."""


Format = Delimited | JsonLines | Parquet | Sheet


@dataclasses.dataclass(frozen=True)
class Source:
    """One table of a data set: all that a reader is told of it.

    Attributes:
      table: its name in messages: ratings, items, tags or users.
      files: at least one; a row's place is its file's and its own.
      format: of all files.
      columns: what a column means -> its name in the files.
      kinds: what a column means -> what its cells must be.
      optional: meanings whose cells may be missing, which reads as "", 0, no texts or (of a
        finite number) null.
      missing: cells that mean nothing, blanks beside them left out, in all kinds but titles and tags.
      rows: what becomes of a table of good rows: the table, by meaning, that the data set has,
        and int64[rows of it], the row of the file's that each came from. None: it stays.
      keep, drop: a row is left out where one of `keep` does not hold or one of `drop` does;
        `columns` has those of the conditions, by their roles.
      events: of each file, the value that EVENT has in all its rows; none where a column has it.
      collected: whether it is of `layouts.events`: it may have no rows, and rows that say nothing
        to the first log.
      of_log: whether the rows are a log's, of which the first of each item counts.
      set_aside: rows of a table of items that are bad, once it was read.
      join: the table from which some of `columns` come.
    """

    table: str
    files: tuple[Place, ...]
    format: Format
    columns: Mapping[str, str]
    kinds: Mapping[str, Kind]
    optional: frozenset[str] = frozenset()
    missing: tuple[str, ...] = MISSING_MARKERS
    rows: Callable[[pa.Table], tuple[pa.Table, np.ndarray]] | None = None
    keep: tuple[Condition, ...] = ()
    drop: tuple[Condition, ...] = ()
    events: tuple[str, ...] = ()
    collected: bool = False
    of_log: bool = False
    set_aside: int = 0
    join: Join | None = None

    @property
    def in_file(self) -> Source:
        """The same without the columns that come of `join`, and with its key."""
        if self.join is None:
            return self
        others = self.join.table.columns
        columns = {role: name for role, name in self.columns.items() if role not in others}
        return dataclasses.replace(
            self, columns={**columns, KEY: self.join.on}, kinds={**self.kinds, KEY: "id"}, join=None
        )

    @property
    def condition_roles(self) -> frozenset[str]:
        """Meanings of columns that conditions read."""
        return frozenset(condition.role for condition in (*self.keep, *self.drop))

    def __str__(self) -> str:
        """For instance "movies.dat (Latin-1)"."""
        encoding = getattr(self.format, "encoding", "utf-8")
        note = "" if encoding == "utf-8" else f" ({encoding.capitalize()})"
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.files[0].name}{more}{note}"


@dataclasses.dataclass(frozen=True)
class Join:
    """A table that has a row for each key which rows of a log name.

    Attributes:
      on: the log's column of keys.
      table: KEY, and the columns that the log's rows get, by what they mean there; all are text.
      names: of all its columns that the log has not.
    """

    on: str
    table: Source
    names: frozenset[str]

    def alone(self) -> Join:
        """The same, which gives no column."""
        key = {KEY: self.table.columns[KEY]}
        table = dataclasses.replace(self.table, columns=key, kinds={KEY: "id"}, optional=frozenset())
        return dataclasses.replace(self, table=table)

    def giving(self, columns: Mapping[str, str]) -> Join:
        """The same, which gives those of further columns, by what they mean, that it has."""
        more = {role: name for role, name in columns.items() if name in self.names}
        table = dataclasses.replace(
            self.table,
            columns={**self.table.columns, **more},
            kinds={**self.table.kinds, **dict.fromkeys(more, "text")},
            optional=self.table.optional | more.keys(),
        )
        return dataclasses.replace(self, table=table)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The tables of a data set.

    Attributes:
      layout: name of the layout that describes it.
      ratings, items, tags, users: its tables; without items they are those of the ratings,
        without tags there are none, and without users their events are all that is known.
      item_noun: what an item is called, if the config does not say.
      more: further logs over the same items, whose events come after those of the first.
      unrated_events: whether rows without a rating are events, so that all of a log with ratings are weighed.
    """

    layout: str
    ratings: Source
    items: Source | None = None
    tags: Source | None = None
    users: Source | None = None
    item_noun: str = "item"
    more: tuple[Source, ...] = ()
    unrated_events: bool = False

    @property
    def logs(self) -> tuple[Source, ...]:
        """All logs, the first one first."""
        return (self.ratings, *self.more)

    @property
    def log_files(self) -> tuple[Place, ...]:
        """Their files: by a position here a row's place names its file."""
        return tuple(file for log in self.logs for file in log.files)

    def log_of(self, number: int) -> tuple[Source, int]:
        """The log whose file is at `number` in `log_files`, and the file's position in it."""
        for log in self.logs:
            if number < len(log.files):
                return log, number
            number -= len(log.files)
        raise IndexError(number)

    @property
    def implicit(self) -> bool:
        """Whether the events have no ratings."""
        return self.unrated_events or RATING not in self.ratings.columns

    @property
    def timed(self) -> bool:
        """Whether the events have times."""
        return TIME in self.ratings.columns

    @property
    def tables(self) -> tuple[Source, ...]:
        """Those that there are."""
        joined = tuple(log.join.table for log in self.logs if log.join)
        tables = (*self.logs, *joined, self.items, self.tags, self.users)
        return tuple(table for table in tables if table and not table.of_log)

    @property
    def files(self) -> tuple[Place, ...]:
        """Every file that is read."""
        return tuple(path for table in self.tables for path in table.files)

    def __str__(self) -> str:
        """For instance "movielens-dat: ratings.dat, movies.dat (Latin-1)"."""
        notes = [f"{self.layout}: {', '.join(map(str, self.tables))}"]
        if self.implicit:
            columns = self.ratings.columns
            by = columns.get(
                EVENT, "file" if self.ratings.events else columns.get(WEIGHT, columns.get(RATING))
            )
            notes.append(f"no ratings: events count {f'by {by}' if by else 'alike'}")
        if not self.timed:
            notes.append("in the order of the rows")
        return "; ".join(notes)
