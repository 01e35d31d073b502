"""What is in a data set and what a run would do with it, without the run."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.example_gen import accounts
from components.example_gen.accounts import Account
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.detection.formats import NAMES
from components.example_gen.reading.quarantine import Quarantine, percent
from components.example_gen.reading.source import TIME, Dataset, Source
from components.example_gen.sorting.gather import Gathered, gather, scratch_folder
from components.example_gen.sorting.log_store import Log
from components.example_gen.sorting.totals import Totals, require_splits, totals
from contract.nouns import plural
from contract.rating_scale import RatingScale
from datasets.own_log import profile, unread
from datasets.own_log.looks import format_words

QUANTILES: Final = {"min": 0.0, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "99 %": 0.99, "max": 1.0}
_LARGE_SHARE: Final = 0.05
_TIMES_BESIDE: Final = 5
_ONE_STEP_SHARE: Final = 0.9
_YEAR_1971: Final = 31_536_000
_A_DAY: Final = 86_400


@dataclasses.dataclass(frozen=True)
class SplitSize:
    """One split: its records, and their events."""

    records: int
    history: int
    targets: int


@dataclasses.dataclass(frozen=True)
class Report:
    """A data set in figures.

    Attributes:
      layout: which, and from which files.
      formats: of the first file of each table, in words.
      bytes: of all files.
      account: where every row went.
      bad_rows: the first bad rows of each table, in words.
      stops: why a run would stop, empty if it would not.
      helps: keys that help against the bad rows for which it would.
      users, items, rated_items, events: counts; items are the catalogue's.
      density: share of (user, rated item) pairs that have an event.
      first_second, last_second: Unix time of the first and last event; None without times.
      item_noun: what an item is called.
      implicit: whether the events have no ratings.
      rating_scale: lowest and highest rating, None of implicit events.
      ratings: events by rating, on the data's scale; implicit ones by weight.
      years: events by year (UTC); none without times.
      per_user, per_item: quantiles of the events of each, unrated items apart.
      columns: each one that is read, in words, by the first rows.
      anomalies: what is legal, and worth a look.
      splits: by name; empty if a run would stop before.
    """

    layout: str
    formats: list[str]
    bytes: int
    account: Account
    bad_rows: dict[str, list[str]]
    stops: list[str]
    helps: list[str]
    users: int
    items: int
    rated_items: int
    events: int
    density: float
    first_second: int | None
    last_second: int | None
    item_noun: str
    implicit: bool
    rating_scale: tuple[float, float] | None
    ratings: dict[str, int]
    years: dict[str, int]
    per_user: dict[str, int]
    per_item: dict[str, int]
    columns: list[str]
    anomalies: list[str]
    splits: dict[str, SplitSize]

    def as_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "account": self.account.as_dict()}


@dataclasses.dataclass(frozen=True)
class _Figures:
    """Sums over all events."""

    ratings: dict[str, int]
    years: dict[str, int]
    per_item: np.ndarray
    first_second: int
    last_second: int
    same_second: int  # events at the same second as the user's event before
    at_once: int  # users with several events, all at one second


def check(dataset: Dataset, params: ExampleGenParams, bad_rows: Path | None = None) -> Report:
    """Reads everything as ExampleGen does, and writes nothing but `bad_rows`.

    Args:
      bad_rows: where to write every row that is set aside, as JSON lines.

    Raises:
      DataError: a file cannot be used at all, or no event is left.
    """
    # A report is wanted of bad data above all; the share is judged afterwards.
    shares = ("max_bad_share", "max_missing_share", "max_unknown_share")
    lenient = params.model_copy(
        update={**dict.fromkeys(shares, 1.0), "max_share_of": dict.fromkeys(params.max_share_of, 1.0)}
    )
    with scratch_folder(params) as scratch, Quarantine(bad_rows) as bad:
        data = gather(dataset, lenient, bad, scratch)
        known = totals(data.log, params, dataset.timed)
        account = accounts.account(data, known, bad, params)
        stops: list[str] = []
        helps: list[str] = []
        for table in bad.tables():
            try:
                bad.require_share(table, params)
            except DataError as error:
                stops.append(error.reason.splitlines()[1])
                helps += [help_] if (help_ := bad.help(table)) else []
        try:
            require_splits(data.log, known, params, dataset.ratings.files[0].name)
        except DataError as error:
            stops.append(str(error))
        scale = RatingScale(*params.rating_scale)
        figures = _figures(data.log, params.buffer_rows, dataset.implicit, scale)
        per_user = np.diff(data.log.offsets)
        rated = figures.per_item[figures.per_item > 0]
        events = int(data.log.offsets[-1])
        timed = TIME in dataset.ratings.columns
        noun = params.item_noun or dataset.item_noun
        return Report(
            layout=str(dataset),
            formats=[_format(table, dataset.layout, params) for table in dataset.tables],
            bytes=sum(file.stat().st_size for file in dataset.files),
            account=dataclasses.replace(account, notes=()),
            bad_rows={
                table: [str(row) for row in bad.first(table)] for table in bad.tables() if bad.bad(table)
            },
            stops=stops,
            helps=helps,
            users=len(per_user),
            items=len(data.items),
            rated_items=len(rated),
            events=events,
            density=events / (len(per_user) * len(rated)),
            first_second=figures.first_second if timed else None,
            last_second=figures.last_second if timed else None,
            item_noun=noun,
            implicit=dataset.implicit,
            rating_scale=None if dataset.implicit else params.rating_scale,
            ratings=figures.ratings,
            years=figures.years if timed else {},
            per_user=_quantiles(per_user),
            per_item=_quantiles(rated),
            columns=[str(column) for column in profile.profiles(dataset, params)],
            anomalies=[
                *profile.notes(dataset, params),
                *unread.notes(dataset, params),
                *_anomalies(data, known, figures, per_user, [x.name for x in params.item_features], noun),
                *odd_ids("users", data.log.user_ids),
                *odd_ids("items", data.log.item_ids),
                *account.notes,
            ],
            splits={} if stops else {split: _size(known, split) for split in contract.SPLITS},
        )


def _format(table: Source, layout: str, params: ExampleGenParams) -> str:
    names = getattr(table.format, "names", None)
    # Names that no config gives and no number is are of a header that is written as a comment.
    own = layout in NAMES.values()
    header = names is None or (own and not (params.names or all(name.isdigit() for name in names if name)))
    return f"{table.files[0].name}: {format_words(table.files[0], table.format, header)}"


def _figures(log: Log, rows: int, implicit: bool, scale: RatingScale) -> _Figures:
    step = _step(scale)
    stars: dict[float, int] = {}
    years: dict[int, int] = {}
    per_item = np.zeros(len(log.item_ids), np.int64)
    first, last, same, at_once = np.iinfo(np.int64).max, 0, 0, 0
    for start, end in log.spans(rows):
        events = log.events(start, end)
        per_item += np.bincount(events.items, minlength=len(per_item))
        values = (
            events.ratings.round(3)
            if implicit
            else np.round(scale.rating(events.ratings.astype(np.float64)) / step) * step
        )
        for value, count in zip(*np.unique(values, return_counts=True), strict=True):
            stars[float(value)] = stars.get(float(value), 0) + int(count)
        times = events.timestamps
        year = times.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
        for value, count in zip(*np.unique(year, return_counts=True), strict=True):
            years[int(value)] = years.get(int(value), 0) + int(count)
        first, last = min(first, int(times.min())), max(last, int(times.max()))
        again = np.append(False, times[1:] == times[:-1])
        again[events.offsets[:-1]] = False
        same += int(again.sum())
        counts = np.diff(events.offsets)
        at_once += int(((events.per_user(again) == counts - 1) & (counts > 2)).sum())
    return _Figures(
        {f"{value:g}": stars[value] for value in sorted(stars)},
        {str(value): years[value] for value in sorted(years)},
        per_item, first, last, same, at_once,
    )  # fmt: skip


def odd_ids(whose: str, ids: pa.StringArray) -> list[str]:
    """Ids that a spreadsheet may have changed, in words.

    Args:
      ids: string[ids], each once.
    """
    found = []
    decimal = ids.filter(pc.match_substring_regex(ids, r"^\d+\.0+$"))
    both = decimal.filter(pc.is_in(pc.replace_substring_regex(decimal, r"\.0+$", ""), ids))
    if len(both):
        found.append(
            f"{len(both):,} ids of {whose} come as whole numbers and as decimals, such as {both[0]}, which "
            f"are two {whose} here; write them one way"
        )
    scientific = ids.filter(pc.match_substring_regex(ids, r"^\d(\.\d+)?[eE]\+?\d+$"))
    if len(scientific):
        found.append(
            f"{len(scientific):,} ids of {whose} are in scientific notation, such as {scientific[0]}, as "
            "spreadsheets shorten long numbers: different ids may have become one; export them as text"
        )
    return found


def _likely_none(ratings: dict[str, int]) -> str | None:
    """That the lowest or highest rating is far more frequent than the one beside it, if it is."""
    counts = list(ratings.values())
    if len(counts) < 3:
        return None
    for edge, beside, which in ((0, 1, "lowest"), (-1, -2, "highest")):
        if counts[edge] > _TIMES_BESIDE * counts[beside] and counts[edge] > sum(counts) / 2:
            share = percent(counts[edge] / sum(counts))
            return (
                f"{counts[edge]:,} ({share}) of the ratings are the {which} one, "
                f"{_TIMES_BESIDE} times as many as the next or more: if it means no rating, say so in "
                "example_gen.unrated"
            )
    return None


def _odd_times(first: int, last: int) -> list[str]:
    """Times that are no seconds since 1970, or cannot be, by their values, in words."""
    if first >= 19_000_101 and last <= 21_001_231:
        return [f"every time is a number such as {first}: are these dates (YYYYMMDD) rather than seconds?"]
    if last < _YEAR_1971:
        return ["every event is in 1970: are the times of another unit than seconds (example_gen.time_unit)?"]
    if last > time.time() + _A_DAY:
        day = np.datetime64(last, "s").astype("datetime64[D]")
        return [f"the last event is in the future ({day}): is example_gen.time_unit right?"]
    return []


def _step(scale: RatingScale) -> float:
    """The width of a bar of ratings: half stars, as most logs have; of another scale at most 20 bars."""
    if scale.in_stars:
        return 0.5
    return next(
        each * 10.0**power
        for power in range(-6, 39)
        for each in (1, 2.5, 5)
        if scale.high - scale.low <= 20 * each * 10.0**power
    )


def _quantiles(counts: np.ndarray) -> dict[str, int]:
    return {name: int(np.quantile(counts, at, method="nearest")) for name, at in QUANTILES.items()}


def _size(known: Totals, split: str) -> SplitSize:
    users = known.users(split)
    return SplitSize(
        len(users), int(known.history[split][users].sum()), int(known.targets[split][users].sum())
    )


def _anomalies(
    data: Gathered[Log],
    known: Totals,
    figures: _Figures,
    per_user: np.ndarray,
    read: list[str],
    noun: str,
) -> list[str]:
    """What breaks no rule and may still be a mistake."""
    events, found = int(per_user.sum()), []
    columns = data.dataset.ratings.columns
    rated = not data.dataset.implicit

    def share(count: int, whole: int) -> str:
        return f"{count:,} ({percent(count / whole)})"

    if unrated := int((figures.per_item == 0).sum()):
        found.append(f"{share(unrated, len(figures.per_item))} of the {plural(noun)} have no event")
    if (most := int(per_user.max())) > _LARGE_SHARE * events and len(per_user) > 20:
        found.append(f"one user has {share(most, events)} of all events; a shared account or a robot?")
    if (most := int(figures.per_item.max())) > _LARGE_SHARE * events and len(figures.per_item) > 20:
        found.append(f"one {noun} has {share(most, events)} of all events")
    if rated and (odd := _likely_none(figures.ratings)):
        found.append(odd)
    if rated and len(figures.ratings) == 1:
        found.append("every rating is the same; without a rating column they would count alike")
    elif rated and max(figures.ratings.values()) > _ONE_STEP_SHARE * events:
        found.append(
            f"{share(max(figures.ratings.values()), events)} of the ratings fall into one step of the scale: "
            "if they are plays, hours, a quantity or a price, name their column as columns.weight"
        )
    if "time" in columns:
        found += _odd_times(figures.first_second, figures.last_second)
        if figures.first_second == figures.last_second:
            found.append("every event is at the same second: the order within a user is that of the file")
        elif figures.same_second > _LARGE_SHARE * events:
            number = share(figures.same_second, events)
            found.append(
                f"{number} of the events are at the second of the one before: they keep the file's order"
            )
        if figures.at_once:
            number = share(figures.at_once, len(per_user))
            found.append(f"{number} of the users have 3 events or more, all at one second")
    if short := int((per_user < 3).sum()):
        found.append(
            f"{share(short, len(per_user))} of the users have fewer than 3 events: they are in train alone"
        )
    for name, empty in (
        (contract.YEAR, int((data.items[contract.YEAR].to_numpy() == 0).sum())),
        (contract.GENRES, sum(not genres for genres in data.items[contract.GENRES].to_pylist())),
    ):
        # A column that no item has is none of this data's.
        if 0 < empty < len(data.items) and name in read:
            found.append(f"{share(empty, len(data.items))} of the {plural(noun)} have no {name}")
    return found
