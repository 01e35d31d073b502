"""A data set's files -> checked, selected, sorted events on disk, with every row accounted for."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa

import contract
from components.example_gen import dates
from components.example_gen.dates import seconds_of
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import catalogue, quarantine, tables
from components.example_gen.reading.quarantine import BadRow, Quarantine
from components.example_gen.reading.rows import rules, weights
from components.example_gen.reading.rows.weights import Scale
from components.example_gen.reading.source import EVENT, ITEM, RATING, TIME, USER, WEIGHT, Dataset
from components.example_gen.reading.tables import Chunk
from components.example_gen.reading.text_blocks import WHOLE, Span
from components.example_gen.reading.users import read_users
from components.example_gen.sorting import log_store
from components.example_gen.sorting.codes import Codes, positions
from components.example_gen.sorting.log_store import Index, Keep, Log, Repeats, Rows
from contract.rating_scale import RatingScale

RATINGS = "ratings"
NOT_IN_ITEMS = "of an item that is not in the table of items"
# The weight of an event without a rating among such as have one.
_MIDDLE: Final = (contract.MIN_RATING + contract.MAX_RATING) / 2 / contract.MAX_RATING
SomeLog = TypeVar("SomeLog", bound=Index, covariant=True)


@dataclasses.dataclass(frozen=True)
class Gathered(Generic[SomeLog]):
    """What is there to be cut into records.

    Attributes:
      dataset: where it was read.
      log: the events.
      items: catalogue.ITEMS_SCHEMA, in the order of log.item_ids.
      tags: catalogue.TAGS_SCHEMA; may name users and items that are not in the log.
      users: schemas.user_schema, a row for each of log.user_ids.
      left_out: rows of ratings that the config leaves out, by why.
    """

    dataset: Dataset
    log: SomeLog
    items: pa.Table
    tags: pa.Table
    users: pa.Table
    left_out: dict[str, int]


@contextlib.contextmanager
def scratch_folder(params: ExampleGenParams) -> Iterator[Path]:
    """A folder for `gather` that goes when the block ends.

    Raises:
      DataError: it cannot be made where the config says.
    """
    try:
        if params.scratch is not None:
            Path(params.scratch).mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(dir=params.scratch, prefix="marquee-")
    except OSError as error:
        raise DataError(
            "example_gen.scratch", f"{params.scratch} cannot be written: {error.strerror}"
        ) from error
    with made as folder:
        yield Path(folder)


class ReadEvents(Protocol[SomeLog]):
    """Where and how the events are read and sorted."""

    def __call__(
        self,
        dataset: Dataset,
        params: ExampleGenParams,
        known: pa.StringArray | None,
        bad: Quarantine,
        left_out: collections.Counter[str],
    ) -> tuple[SomeLog, np.ndarray]:
        """The log, and bool[M]: which of the items `known` (None: of those that came) are in it.

        Raises:
          DataError: as `gather`.
        """


def gather(dataset: Dataset, params: ExampleGenParams, bad: Quarantine, scratch: Path) -> Gathered[Log]:
    """Reads all tables in this process.

    Args:
      scratch: an empty folder on a disk with about 60 bytes per rating; what is
        returned lives in it.

    Raises:
      DataError: a file cannot be used, too many rows are bad, or nothing is left.
    """
    return gather_with(functools.partial(_read_events, scratch), dataset, params, bad)


def gather_with(
    read_events: ReadEvents[SomeLog], dataset: Dataset, params: ExampleGenParams, bad: Quarantine
) -> Gathered[SomeLog]:
    """Reads all tables, the events by `read_events`.

    Raises:
      DataError: as `gather`.
    """
    _require_times(dataset, params)
    items = None
    if dataset.items is not None and not dataset.items.of_log:
        items = catalogue.read_items(dataset.items, params, bad)
        bad.require_share(dataset.items.table, params)
        known_items = dataclasses.replace(dataset.items, set_aside=bad.bad(dataset.items.table))
        dataset = dataclasses.replace(dataset, items=known_items)
    known = None if items is None else items[contract.ITEM_ID].combine_chunks()
    left_out: collections.Counter[str] = collections.Counter()
    log, kept = read_events(dataset, params, known, bad, left_out)
    _require_events(log, dataset, bad, left_out)
    if dataset.items is not None and dataset.items.of_log:
        items = catalogue.with_items(catalogue.read_items(dataset.items, params, bad), log.item_ids)
    elif items is None:
        items = catalogue.items_of(log.item_ids)
    elif params.unknown_items == "keep":
        items = catalogue.with_items(items, log.item_ids)
    else:
        items = items.filter(pa.array(kept))
    items = items.combine_chunks()
    tags = catalogue.read_tags(dataset.tags, known, params, bad)
    if dataset.tags is not None:
        bad.require_share(dataset.tags.table, params)
    users = read_users(dataset.users, log.user_ids, params, bad)
    if dataset.users is not None:
        bad.require_share(dataset.users.table, params)
    return Gathered(dataset, log, items, tags, users, dict(left_out))


def _read_events(
    scratch: Path,
    dataset: Dataset,
    params: ExampleGenParams,
    known: pa.StringArray | None,
    bad: Quarantine,
    left_out: collections.Counter[str],
) -> tuple[Log, np.ndarray]:
    """`ReadEvents` in this process."""
    folder = scratch / "sorted"
    folder.mkdir()
    writer = log_store.Writer(folder, codes_of(known, params), params.buffer_rows)
    for number, _ in enumerate(dataset.log_files):
        for chunk in read_file(dataset, number, WHOLE, bad, params):
            add(dataset, chunk, params, writer, bad, left_out)
            bad.require_hope(RATINGS, params)
    require_rows(dataset, bad)
    if params.window is not None:
        count_older(params, writer.newest, writer.drop_older(window_start(params, writer.newest)), left_out)
    item_ids = _item_names(writer)
    log = writer.finish(
        keep_of(params),
        functools.partial(repeated, dataset, params, bad, left_out, item_ids),
        scale_of(dataset, params),
    )
    left_out.update(bad.left_out.pop(RATINGS, {}))
    bad.require_share(RATINGS, params)
    return _core(log, params, scratch, left_out)


def read_file(
    dataset: Dataset, number: int, span: Span, bad: Quarantine, params: ExampleGenParams
) -> Iterator[Chunk]:
    """Reads a part of one of `dataset.log_files`, by whose position a chunk names it.

    Raises:
      DataError: as `tables.read`.
    """
    log, position = dataset.log_of(number)
    for chunk in tables.read_span(log, position, span, bad, params.max_line_bytes):
        yield dataclasses.replace(chunk, file=number)


def require_rows(dataset: Dataset, bad: Quarantine) -> None:
    """Stops where the log's files have no row.

    Raises:
      DataError: so it is.
    """
    if not bad.rows_in[RATINGS]:
        raise DataError(dataset.ratings.files[0].name, "has no rows; expected at least one")


def _require_times(dataset: Dataset, params: ExampleGenParams) -> None:
    """Stops where the config asks for dates of a log that has none.

    Raises:
      DataError: so it is.
    """
    for key in ("start", "end", "window"):
        if not dataset.timed and (asked := getattr(params, key)) is not None:
            raise DataError(
                dataset.ratings.files[0].name,
                f"has no times, and example_gen.{key} is {asked}; expected a log with times (for your own, "
                f"columns.time), or example_gen.{key}=null",
            )


def window_start(params: ExampleGenParams, newest: int) -> int:
    """Unix seconds from which on events are within the window that the config asks for.

    Args:
      newest: of all events that are read, Unix seconds.
    """
    assert params.window is not None
    return dates.window_start(params.window, newest)


def count_older(params: ExampleGenParams, newest: int, gone: int, left_out: collections.Counter[str]) -> None:
    """Counts the events before the window."""
    assert params.window is not None
    if gone:
        left_out[dates.older_than(params.window, newest)] += gone


def scale_of(dataset: Dataset, params: ExampleGenParams) -> Scale | None:
    """What a log's weights become shares by, None where events have no such numbers."""
    if WEIGHT not in dataset.ratings.columns:
        return None
    return Scale(params.weight_transform, params.weight_cap)


def keep_of(params: ExampleGenParams) -> Keep:
    """What `repeated` means for a log."""
    return "read" if params.repeated == "bad" else params.repeated


def add(
    dataset: Dataset,
    chunk: Chunk,
    params: ExampleGenParams,
    rows: Rows,
    bad: Quarantine,
    left_out: collections.Counter[str],
) -> None:
    """Checks a chunk and appends what is good to `rows`."""
    table, log = chunk.table, dataset.log_of(chunk.file)[0]
    names = log.columns
    if TIME in names:
        times = table[TIME].to_numpy()
    else:
        # The order stands for the time: rows of one file, files one after the other.
        start = bad.rows_in[RATINGS] - len(table)
        times = np.arange(start + 1, start + 1 + len(table), dtype=np.int64)
    off_event = off_scale = off_weight = unrated = other = np.zeros(len(table), bool)
    if RATING in names:
        ratings = table[RATING].to_numpy()
        unrated = np.isin(ratings, np.array(params.unrated, np.float32))
        if log.collected:
            unrated |= np.isnan(ratings)
        off_scale = rules.scale_problem(ratings, params.rating_scale) & ~unrated
        values = RatingScale(*params.rating_scale).stars(ratings.astype(np.float64)).astype(np.float32)
        if dataset.unrated_events:
            values = np.where(unrated, _MIDDLE, values / contract.MAX_RATING).astype(np.float32)
            unrated = np.zeros(len(table), bool)
    elif WEIGHT in dataset.ratings.columns and log.collected:
        values = np.ones(len(table), np.float32)  # one play, one of whatever is counted
    elif WEIGHT in names:
        values = table[WEIGHT].to_numpy()
        off_weight = weights.problem(values)
    else:
        shares = _shares(table, params)
        off_event = shares == 0
        if log.collected:
            off_event, other = other, off_event
        values = shares.astype(np.float32)

    unknown = np.zeros(len(table), bool)
    if rows.items.closed:
        unknown = rows.items.encode(table[ITEM]) < 0
    off_time = rules.time_problem(times) > 0
    broken = off_time | off_event | off_scale | off_weight
    if params.unknown_items == "drop":
        if count := int((unknown & ~broken).sum()):
            left_out[NOT_IN_ITEMS] += count
    else:
        broken |= unknown
    for row in np.flatnonzero(broken).tolist():
        role = (
            TIME if off_time[row]
            else EVENT if off_event[row]
            else RATING if off_scale[row]
            else WEIGHT if off_weight[row]
            else ITEM
        )  # fmt: skip
        kind, expected = _expected(role, table[role][row].as_py(), dataset, params)
        reason = f"{names[role]} is {table[role][row].as_py()!r}, expected {expected}"
        bad.add(BadRow(RATINGS, dataset.log_files[chunk.file].name, int(chunk.lines[row]), kind, reason))

    outside = np.zeros(len(table), bool)
    if params.start is not None:
        outside |= times < seconds_of(params.start)
    if params.end is not None:
        outside |= times >= seconds_of(params.end)
    for why, mask in (("unrated", unrated), ("of an event without a weight", other)):
        if count := int((mask & ~(broken | unknown)).sum()):
            left_out[why] += count
    unrated = unrated | other
    outside &= ~(broken | unknown | unrated)
    if count := int(outside.sum()):
        left_out["outside start and end"] += count
    kept = ~(broken | unknown | unrated | outside)
    # Only what has a good row is a user or an item.
    users, items = (_of_rows(table[role], kept) for role in (USER, ITEM))
    places = log_store.place(chunk.file, chunk.lines)[kept]
    rows.add(rows.users.encode(users), rows.items.encode(items), values[kept], times[kept], places)


def _of_rows(column: pa.ChunkedArray, rows: np.ndarray) -> pa.ChunkedArray:
    """Some rows of a dictionary column, whose dictionary has no other values then."""
    if rows.all():
        return column
    return column.filter(pa.array(rows)).cast(pa.string()).dictionary_encode()


def codes_of(known: pa.StringArray | None, params: ExampleGenParams) -> Codes:
    """The numbers of items, of which `known` are in the table of items."""
    return Codes(known, closed=known is not None and params.unknown_items != "keep")


def _expected(role: str, came: object, dataset: Dataset, params: ExampleGenParams) -> tuple[str, str]:
    """(kind, what was expected) of a cell that breaks a rule."""
    if role == ITEM:
        assert dataset.items is not None
        name = dataset.items.columns[ITEM]
        aside = dataset.items.set_aside
        more = f" (of which {aside:,} rows are set aside)" if aside else ""
        return quarantine.UNKNOWN_ITEM, f"an id of {dataset.items.files[0].name}, column {name}{more}"
    if role == TIME:
        assert isinstance(came, int)
        if came < 0:
            return quarantine.BAD_TIME, "Unix seconds, 0 or later"
        return quarantine.BAD_TIME, "Unix seconds before the year 2100 (for others see example_gen.time_unit)"
    if role == EVENT:
        kind = quarantine.UNKNOWN_EVENT if came else quarantine.MISSING
        return kind, f"one of {', '.join(params.event_weights)} (example_gen.event_weights)"
    if role == WEIGHT:
        return quarantine.NAN if came != came else quarantine.NO_WEIGHT, "a number above 0"
    low, high = params.rating_scale
    unit = " stars" if RatingScale(low, high).in_stars else ""
    return quarantine.NAN if came != came else quarantine.OUT_OF_SCALE, f"{low:g} to {high:g}{unit}"


def _shares(table: pa.Table, params: ExampleGenParams) -> np.ndarray:
    """float64[rows]: each event's weight as a share of the strongest kind's; 0 for an unknown kind."""
    if EVENT not in table.column_names:
        return np.ones(len(table))
    names = list(params.event_weights)
    shares = np.array([*params.event_weights.values(), 0.0]) / max(params.event_weights.values())
    return shares[positions(table[EVENT], pa.array(names, pa.string()))]


def _item_names(writer: log_store.Writer) -> pa.StringArray:
    ids = writer.items.ids()
    return ids.take(log_store.id_order(ids))


def repeated(
    dataset: Dataset,
    params: ExampleGenParams,
    bad: Quarantine,
    left_out: collections.Counter[str],
    item_ids: pa.StringArray,
    repeats: Repeats,
) -> None:
    """Writes down the events that go because their user has the item already.

    Args:
      item_ids: what `repeats.item` are positions in.
    """
    if params.repeated != "bad":
        left_out[f"rated again ({params.repeated} kept)"] += len(repeats.place)
        return
    name, files = dataset.ratings.columns[ITEM], dataset.log_files
    rows = zip(repeats.item.tolist(), repeats.place.tolist(), repeats.stays.tolist(), strict=True)
    for item, place, stays in rows:
        file, line = log_store.file_and_line(place)
        stays_file, stays_line = log_store.file_and_line(stays)
        where = f"line {stays_line}" + (f" of {files[stays_file].name}" if stays_file != file else "")
        if repeats.exact:
            kind, reason = quarantine.DUPLICATE, f"the same as {where}"
        else:
            kind = quarantine.REPEATED
            reason = (
                f"{name} is {item_ids[item].as_py()!r}, expected an item that this user has not rated on an "
                f"earlier line ({where}; example_gen.repeated can keep one)"
            )
        bad.add(BadRow(RATINGS, files[file].name, line, kind, reason))


def _core(
    log: Log, params: ExampleGenParams, scratch: Path, left_out: collections.Counter[str]
) -> tuple[Log, np.ndarray]:
    """The k-core, and bool[M]: which items are left."""
    users, items = np.ones(len(log.user_ids), bool), np.ones(len(log.item_ids), bool)
    if not has_core(params):
        return log, items
    before = -1
    while before != (before := int(users.sum()) + int(items.sum())):
        per_user, per_item = np.zeros(len(users), np.int64), np.zeros(len(items), np.int64)
        for user, item in log.items(params.buffer_rows):
            kept = users[user] & items[item]
            per_user += np.bincount(user[kept], minlength=len(users))
            per_item += np.bincount(item[kept], minlength=len(items))
        users &= per_user >= params.min_ratings_per_user
        items &= per_item >= params.min_ratings_per_item
    folder = scratch / "core"
    folder.mkdir()
    core = log_store.select(log, users, items, str(folder), params.buffer_rows)
    count_core(int(log.offsets[-1] - core.offsets[-1]), left_out)
    return core, items


def has_core(params: ExampleGenParams) -> bool:
    """Whether a k-core is asked for."""
    return params.min_ratings_per_user > 1 or params.min_ratings_per_item > 0


def count_core(gone: int, left_out: collections.Counter[str]) -> None:
    """Counts the events that are not in the k-core."""
    if gone:
        left_out["below min_ratings_per_user or min_ratings_per_item"] += gone


def _require_events(
    log: Index, dataset: Dataset, bad: Quarantine, left_out: collections.Counter[str]
) -> None:
    if not len(log.user_ids):
        counts = ", ".join(
            [f"{bad.bad(RATINGS):,} bad", *(f"{count:,} {why}" for why, count in left_out.items())]
        )
        helps = bad.help(RATINGS)
        more = [*(f"  {row}" for row in bad.first(RATINGS)), *([helps] if helps else [])]
        raise DataError(
            dataset.ratings.files[0].name,
            "\n".join([f"nothing is left of {bad.rows_in[RATINGS]:,} rows: {counts}", *more]),
        )
