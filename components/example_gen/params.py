"""The options of ExampleGen."""

from __future__ import annotations

import codecs
import datetime
import zoneinfo
from typing import Annotated, Final, Literal

import pydantic
from pydantic import Field

import contract
from components.common.features import MOVIELENS, MOVIELENS_NAMES, RESERVED, FeatureSpec, own
from components.common.params import Section
from components.example_gen import dates
from components.example_gen.dates import seconds_of
from components.example_gen.reading.rows import conditions, joins
from components.example_gen.reading.rows.conditions import FORMS, MISSING_MARKERS

COLUMN_ROLES: Final = ("user", "item", "rating", "event", "weight", "time", "offset")
ITEM_ROLES: Final = ("item", "title", "year", "genres")
USER_ROLES: Final = ("user",)
NUMBER_UNITS: Final = ("s", "ms", "us", "ns", "min", "h", "d")  # since 1970
TIME_UNITS: Final = ("auto", *NUMBER_UNITS, "iso")


def _check_date(date: str | None) -> str | None:
    if date is not None:
        seconds_of(date)
    return date


def _as_text(date: object) -> object:
    """YAML reads 2018-09-26 as a date."""
    return date.isoformat() if isinstance(date, datetime.date) else date


def _window_as_text(given: object) -> object:
    """YAML reads 90 as a number, of days."""
    return str(given) if isinstance(given, int | float) and not isinstance(given, bool) else _as_text(given)


def _check_window(given: str | None) -> str | None:
    return None if given is None else dates.window(given)


def _check_encoding(name: str | None) -> str | None:
    """As Python spells it, so that one encoding has one name."""
    if name is None:
        return None
    try:
        found = codecs.lookup(name)
    except LookupError as error:
        raise ValueError(
            f"must be an encoding such as utf-8, latin-1, cp1252 or utf-16, got {name!r}"
        ) from error
    try:
        "".encode(name)
    except LookupError as error:
        raise ValueError(f"must be an encoding of text, got {name!r}") from error
    return {"iso8859-1": "latin-1"}.get(found.name, found.name)


def _check_time_unit(unit: str) -> str:
    if unit not in TIME_UNITS and "%" not in unit:
        raise ValueError(
            f"must be one of {', '.join(TIME_UNITS)}, or a format of strptime such as '%d/%m/%Y %H:%M'; "
            f"got {unit!r}"
        )
    try:
        datetime.datetime.strptime("", unit)
    except ValueError as error:
        if "directive" in str(error) or "stray" in str(error):
            raise ValueError(f"must be a format of strptime: {error}") from error
    return unit


def _check_time_zone(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"must be a time zone such as Europe/Paris or UTC, got {name!r}") from error
    return name


def _numbers_as_text(columns: object) -> object:
    """YAML reads the number of a column as one; `names` and headers have texts."""
    if not isinstance(columns, dict):
        return columns
    return {
        role: str(name) if isinstance(name, int) and not isinstance(name, bool) else name
        for role, name in columns.items()
    }


Columns = Annotated[dict[str, str], pydantic.BeforeValidator(_numbers_as_text)]
Date = Annotated[str | None, pydantic.BeforeValidator(_as_text), pydantic.AfterValidator(_check_date)]
Window = Annotated[
    str | None, pydantic.BeforeValidator(_window_as_text), pydantic.AfterValidator(_check_window)
]


class ExampleGenParams(Section):
    """What is read, what of it is kept, how it is split and how it is written."""

    layout: str = Field(
        "auto",
        description="how the files are laid out: the name of a layout of components/example_gen/reading/"
        "layouts. auto: the one whose files are there; csv, json, parquet and sheet: your own log, one file "
        "or a folder of them, with `columns`",
    )
    columns: Columns = Field(
        {},
        description="columns of your own log: user and item, and rating and time where it has them, such as "
        "{user: customer_id, item: sku, rating: stars, time: at}; in JSON lines paths of keys (a.b), in a "
        "file without a header their numbers, from 1. Without a rating feedback is implicit: "
        "there is no rating head, and events count alike, by `event_weights` of a column `event`, or by a "
        "number that is no rating, a column `weight` (plays, hours, a quantity, a price); without a time the "
        "order of the rows counts. offset is added to the time, in `offset_unit`",
    )
    files: tuple[str, ...] = Field(
        (),
        description="patterns for the names of the log's files in a folder, such as ['*.csv', '!old*'] (! "
        "leaves out); empty: all that may be data, but the tables beside it",
    )
    names: tuple[str, ...] = Field(
        (),
        description="names of all columns of your own text files, in order, where they have no header; "
        "empty: their first line has them",
    )
    event_weights: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {},
        description="of a log without ratings: how much each value of the column `event` says, such as "
        "{view: 1, cart: 3, purchase: 6}. Only their proportions count; any other value is a bad row",
    )
    event_of_file: dict[str, str] = Field(
        {},
        description="the event of all rows of a file, by its name, where no column says it, such as "
        "{'views*.csv': view, 'orders*.csv': purchase}; the first pattern that fits counts",
    )
    weight_transform: Literal["log", "linear", "rank"] = Field(
        "log",
        description="how an event counts by its column `weight`, as a share of the strongest. log: by the "
        "logarithm of 1 + it; linear: by itself; rank: by the share of the user's own events that have no "
        "larger one",
    )
    weight_cap: float | None = Field(
        None,
        gt=0,
        description="a larger weight counts as this one; null: the log's largest is the strongest",
    )
    keep: tuple[str, ...] = Field(
        (),
        description="conditions on columns of the log that hold for every row that is read, such as "
        f"['quantity > 0', 'status != cancelled']; others are left out and counted. Forms: {FORMS}",
    )
    drop: tuple[str, ...] = Field(
        (), description="conditions likewise: rows for which one of them holds are left out, before `keep`"
    )
    join: str | None = Field(
        None,
        description="a table beside the log that has a row for each key which the log's rows name (orders, "
        "sessions): path, relative to the data's folder. `columns`, `keep` and `drop` may name its columns",
    )
    join_on: str | None = Field(
        None,
        description="the key: a column of both tables, such as order_id, or LOG_COLUMN = COLUMN",
    )
    items: str | None = Field(
        None,
        description="your own table of items, CSV or Parquet: path, relative to the data's folder; null: the "
        "items are those of the log",
    )
    item_columns: Columns = Field(
        {}, description="its columns: item, and title, year and genres where it has them"
    )
    item_noun: str | None = Field(
        None,
        pattern=r"^[a-z][a-z -]{0,30}[a-z]$",
        description="what one item is called where people read of it, such as product; null: movie for "
        "MovieLens's own files, item for any others",
    )
    item_features: tuple[FeatureSpec, ...] = Field(
        MOVIELENS,
        description="what the model reads of an item: MovieLens's genres, tags and year, or columns of your "
        "own table of items, each {name: ..., kind: ...}. kind is categorical, multi, number or text; more "
        "keys: column (in the table, if not the name), log (the logarithm of a number counts, as of a "
        "price), tfidf (values of a multi weigh by TF-IDF), taste (what a person can say a taste in)",
    )
    users: str | None = Field(
        None,
        description="your own table of users, like `items`; who is not in it is known by their events alone",
    )
    user_columns: Columns = Field({}, description="its columns: user")
    user_features: tuple[FeatureSpec, ...] = Field(
        (), description="columns of it that the model reads, like `item_features`; none of them is a taste"
    )
    list_separator: str = Field(
        "|", min_length=1, description="between the genres, or values of a multi, in one cell"
    )
    delimiter: str | None = Field(
        None,
        min_length=1,
        max_length=2,
        description="between the columns of your own text files, one or two characters, ' ' for any blanks; "
        "null: by content",
    )
    encoding: Annotated[str | None, pydantic.AfterValidator(_check_encoding)] = Field(
        None,
        description="of the text files, such as utf-8, latin-1, cp1252 or utf-16; null: by content, or as "
        "the layout has it",
    )
    comment: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="what a line of your own text files begins with that is none; null: such lines with # or "
        "% before all others are none",
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="between a number's whole part and its fraction; null: by content"
    )
    quoted: bool | None = Field(
        None,
        description="whether double quotes enclose values of your own CSV; null: they do, except in a file "
        "with tabs between the columns",
    )
    missing: tuple[str, ...] = Field(
        (),
        description="further cells that mean nothing, such as [Unknown, '-1'], in ids, numbers, times and "
        "features alike, beside empty ones, NA, NULL, null, None, nan and \\N",
    )
    time_unit: Annotated[str, pydantic.AfterValidator(_check_time_unit)] = Field(
        "auto",
        description="of your own time column: s, ms, us, ns (or min, h, d) since 1970, iso for ISO 8601, or "
        "a format of strptime such as '%d/%m/%Y %H:%M' (UTC where it has no zone); auto: by content",
    )
    time_zone: Annotated[str | None, pydantic.AfterValidator(_check_time_zone)] = Field(
        None,
        description="of your own times that are written without one, such as Europe/Paris; null: UTC. Of an "
        "hour that its clocks show twice it is the first",
    )
    offset_unit: Literal["s", "ms", "us", "min", "h", "d", "clock"] = Field(
        "s",
        description="of the column offset; clock: the time of a day, such as 9:05, 09:05:10 or 905",
    )
    rating_scale: tuple[float, float] = Field(
        (contract.MIN_RATING, contract.MAX_RATING),
        description="lowest and highest rating in the files. Another scale is mapped evenly onto "
        f"{contract.MIN_RATING:g} to {contract.MAX_RATING:g} stars",
    )
    unrated: tuple[float, ...] = Field(
        (),
        description="ratings that mean none, such as [0, -1, 99], in or out of the scale; `unrated_as` says "
        "what becomes of their rows",
    )
    unrated_as: Literal["left_out", "events"] = Field(
        "left_out",
        description="what a row is whose rating is one of `unrated`. left_out: it is left out and counted; "
        "events: an event like any other, for which the whole log counts as one without ratings: an event "
        "weighs by its rating, a share of the highest one, and what is unrated by the middle of the scale",
    )
    max_line_bytes: int = Field(
        65_536, ge=256, le=8_000_000, description="a longer line is a bad row, whatever is in it"
    )
    max_bad_share: float = Field(
        0.001,
        ge=0,
        le=1,
        description="share of the rows of a table (ratings, items, tags, users) that may be bad and are "
        "set aside; with more the run stops and shows the first",
    )
    max_missing_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="the same for rows without a user or an item alone; null: they count as all bad rows do",
    )
    max_share_of: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        {},
        description="the same for single kinds of bad rows, as reports name them, such as {impossible "
        "time: 0.01, rating out of scale: 0.05}",
    )
    unknown_items: Literal["bad", "drop", "keep"] = Field(
        "bad",
        description="what an event is whose item is not in the table of items. bad: a bad row; drop: left "
        "out and counted; keep: an event like any other, of an item whose title is its id",
    )
    max_unknown_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="the limit for such rows where they are bad; null: they count as all bad rows do",
    )
    repeated: Literal["bad", "first", "last", "strongest"] = Field(
        "bad",
        description="what an item that a user rates again is. bad: a bad row; first, last: only that event "
        "of the user's with the item is kept, and the others are counted as left out; strongest: likewise "
        "the one rated highest or of the largest weight, of equals the last",
    )
    start: Date = Field(None, description="events before this date are left out; null: none are")
    end: Date = Field(None, description="events from this date on are left out; null: none are")
    window: Window = Field(
        None,
        description="how far back events reach from the newest one: a number of days, a duration such as "
        "90d, 12h or 8w, or a date to begin with. Older ones are left out and counted; their items stay in "
        "the catalogue; null: all are read",
    )
    min_ratings_per_user: int = Field(
        1,
        ge=1,
        description="users with fewer are left out, again until all that are left have so many (k-core)",
    )
    min_ratings_per_item: int = Field(
        0,
        ge=0,
        description="items with fewer are left out likewise, of the catalogue too; 0 keeps unrated ones",
    )
    split: contract.SplitRule = Field(
        "user_time",
        description="how events become train, eval and test, as contract/__init__.py says. user_time: "
        "each user's last tenth; leave_last_out: each user's last event; global_time: by `eval_from` and "
        "`test_from`; random: a tenth of each user's events, by `split_seed`",
    )
    eval_from: Date = Field(None, description="first date of eval in the split global_time")
    test_from: Date = Field(None, description="first date of test in the split global_time")
    split_seed: int = Field(42, ge=0, description="seed of the split random")
    engine: Literal["auto", "local", "beam"] = Field(
        "auto",
        description="where this runs; the records are the same, on Beam in other shards. local: in the "
        "step's own process; beam: on the workers of the Beam runner, which must see the data and the "
        "artifacts under the same paths; auto: on Beam if `beam_pipeline_args` name a runner with workers "
        "(any but the in-process one)",
    )
    buffer_rows: int = Field(
        4_000_000,
        ge=1_000,
        description="events sorted in memory at once, about 150 bytes each; the rest waits on disk. On Beam "
        "that is a worker's memory",
    )
    scratch: str | None = Field(
        None,
        description="folder for that, about 60 bytes per event; null: the system's for temporary files. On "
        "Beam all workers must see it; null: beside the artifacts",
    )
    events_per_shard: int = Field(
        1_000_000,
        ge=1,
        description="Ratings per TFRecord file (about 16 bytes each before compression). A shard is "
        "encoded in memory at once. On Beam there is about one for so many events, and a worker "
        "sorts and writes one at a time.",
    )

    @property
    def missing_markers(self) -> tuple[str, ...]:
        """All cells that mean nothing."""
        return (*MISSING_MARKERS, *self.missing)

    @pydantic.model_validator(mode="after")
    def _across_keys(self) -> ExampleGenParams:
        for key, given, known in (
            ("columns", self.columns, COLUMN_ROLES),
            ("item_columns", self.item_columns, ITEM_ROLES),
            ("user_columns", self.user_columns, USER_ROLES),
        ):
            for role in given:
                if role not in known:
                    raise ValueError(f"{key} has the key {role!r}; expected some of {', '.join(known)}")
            # Without a table of items they are columns of the log, which names the item.
            if key == "item_columns" and self.items is None:
                continue
            if given and (
                missing := [role for role in known[:2] if role in ("user", "item") and role not in given]
            ):
                raise ValueError(f"{key} must name a column for {' and '.join(missing)}")
            if twice := {name for name in given.values() if list(given.values()).count(name) > 1}:
                roles = ", ".join(role for role, name in given.items() if name in twice)
                raise ValueError(f"{key} gives one column, {min(twice)!r}, several meanings: {roles}")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"names has a name twice: {', '.join(self.names)}")
        if self.time_zone and self.time_unit in NUMBER_UNITS:
            raise ValueError(
                f"time_zone is {self.time_zone} and time_unit {self.time_unit}: numbers since 1970 are of "
                "UTC everywhere; expected only one of them"
            )
        if "offset" in self.columns and "time" not in self.columns:
            raise ValueError("columns names offset without time, to which it is added")
        self._check_events()
        if self.unrated_as == "events" and not self.unrated:
            raise ValueError(
                "unrated_as is events, which needs unrated: the ratings that mean none, such as [0]"
            )
        if (self.join is None) != (self.join_on is None):
            raise ValueError("join and join_on go together: the table and the key")
        if self.join_on is not None:
            joins.parse(self.join_on)
        if self.join is not None and not self.columns:
            raise ValueError("join is given without columns, which say what the columns of the log mean")
        if self.item_columns and self.items is None and not self.columns:
            raise ValueError("item_columns needs items, the table they are in, or columns of a log")
        if self.items is not None and not self.item_columns:
            raise ValueError("items is given without item_columns; expected at least {item: COLUMN}")
        self._check_features()
        if self.rating_scale[0] >= self.rating_scale[1]:
            raise ValueError(f"rating_scale is {list(self.rating_scale)}; expected the lower number first")
        if self.columns and "time" not in self.columns:
            for key in ("start", "end", "window"):
                if getattr(self, key):
                    raise ValueError(f"{key} needs a column time (columns names none)")
            if self.split == "global_time":
                raise ValueError("split is global_time, which needs a column time (columns names none)")
        if self.start and self.end and seconds_of(self.start) >= seconds_of(self.end):
            raise ValueError(f"start ({self.start}) must be before end ({self.end})")
        if self.split == "global_time":
            if self.eval_from is None or self.test_from is None:
                raise ValueError("split is global_time, which needs both eval_from and test_from")
            if seconds_of(self.eval_from) >= seconds_of(self.test_from):
                raise ValueError(f"eval_from ({self.eval_from}) must be before test_from ({self.test_from})")
        return self

    def _check_events(self) -> None:
        for condition in (*self.keep, *self.drop):
            conditions.parse(condition)
        if "event" in self.columns and "rating" in self.columns:
            raise ValueError("columns names both rating and event; events without ratings have weights")
        if "weight" in self.columns and (both := {"rating", "event"} & self.columns.keys()):
            raise ValueError(f"columns names both {min(both)} and weight; expected one of them")
        if self.event_of_file and (both := {"rating", "event", "weight"} & self.columns.keys()):
            raise ValueError(f"event_of_file is given and columns names {min(both)}; expected one of them")
        if ("event" in self.columns or bool(self.event_of_file)) != bool(self.event_weights):
            raise ValueError(
                "columns.event and event_weights go together: give both or neither (or event_of_file and "
                "event_weights)"
            )
        if unknown := [event for event in self.event_of_file.values() if event not in self.event_weights]:
            known = ", ".join(self.event_weights)
            raise ValueError(f"event_of_file names {unknown[0]!r}, expected one of event_weights: {known}")
        if "weight" not in self.columns and self.weight_cap is not None:
            raise ValueError("weight_cap is given, which needs a column weight (columns names none)")

    def _check_features(self) -> None:
        names = [spec.name for spec in self.item_features]
        for spec in self.item_features:
            if names.count(spec.name) > 1:
                raise ValueError(f"item_features names {spec.name} more than once")
            if spec.name in RESERVED or (spec.name in ITEM_ROLES and spec.name not in MOVIELENS_NAMES):
                raise ValueError(f"item_features: {spec.name} is the name of something else; choose another")
            if spec.name in MOVIELENS_NAMES and spec not in MOVIELENS:
                raise ValueError(
                    f"item_features: {spec.name} is MovieLens's own; leave its keys as they are by "
                    "default, or choose another name"
                )
        if own(self.item_features) and self.items is None and not self.columns:
            raise ValueError(
                "item_features has columns of your own, which needs items, the table they are in, or columns "
                "of a log that has them"
            )
        if self.users is not None and not self.user_columns:
            raise ValueError("users is given without user_columns; expected {user: COLUMN}")
        if self.user_features and self.users is None:
            raise ValueError("user_features needs users, the table they are in")
        names = [spec.name for spec in self.user_features]
        for spec in self.user_features:
            if names.count(spec.name) > 1:
                raise ValueError(f"user_features names {spec.name} more than once")
            if spec.name == "id" or spec.name in USER_ROLES:
                raise ValueError(f"user_features: {spec.name} is the name of something else; choose another")
            if spec.taste:
                raise ValueError(f"user_features: {spec.name}: tastes are in a feature of items")
        if sum(spec.taste for spec in self.item_features) > 1:
            raise ValueError("item_features: tastes can be in one feature only")
