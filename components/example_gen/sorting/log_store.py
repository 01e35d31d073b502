"""A log of any size, sorted by user and time on disk.

Rows are numbered (users, items), appended to a file as they come, dealt out to
buckets of whole users, and sorted bucket by bucket: memory holds one bucket, and
the time is linear. What comes of it is one file per column, and a user is a span
of them. Why our own and not an engine: docs/explain/data.md.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Final, Literal

import numpy as np
import pyarrow as pa

from components.common import ragged, storage
from components.example_gen.reading.rows.weights import Scale
from components.example_gen.records.timelines import Events
from components.example_gen.sorting.codes import Codes, id_order

ROW: Final = np.dtype(
    [("user", "<i4"), ("item", "<i4"), ("rating", "<f4"), ("time", "<i8"), ("place", "<i8")]
)
_COLUMNS: Final[dict[str, np.dtype]] = {
    "item": np.dtype("<i4"),
    "rating": np.dtype("<f4"),
    "time": np.dtype("<i8"),
}
_LINE_BITS: Final = 40
_READ_ROWS: Final = 1 << 20

# Which of a user's events with one item stays: the one read first, the first or last in
# time, or the one rated highest (of equals the last). Of exact duplicates it is the one
# read first. None: all stay.
Keep = Literal["read", "first", "last", "strongest"] | None


@dataclasses.dataclass(frozen=True)
class Index:
    """Whose events are in a log, and how many each has.

    Attributes:
      user_ids: string[U], in `id_order`; each has an event.
      offsets: int64[U + 1]: user u's events are offsets[u]:offsets[u + 1].
      item_ids: string[M], in `id_order`; also items without an event.
    """

    user_ids: pa.StringArray
    offsets: np.ndarray
    item_ids: pa.StringArray


@dataclasses.dataclass(frozen=True)
class Log(Index):
    """Events sorted by user, then time; ties keep the order in which they were read.

    Attributes:
      folder: of the columns, flat files of `_COLUMNS`; a path or URL.
    """

    folder: str

    def events(self, first: int, last: int) -> Events:
        """The events of the users first ... last - 1."""
        start, end = int(self.offsets[first]), int(self.offsets[last])
        item, rating, time = (self._column(name, start, end) for name in _COLUMNS)
        return Events(
            user_ids=self.user_ids[first:last],
            offsets=self.offsets[first : last + 1] - start,
            item_ids=self.item_ids,
            items=item,
            ratings=rating,
            timestamps=time,
        )

    def spans(self, rows: int) -> Iterator[tuple[int, int]]:
        """(first, last) of consecutive users with about so many events together."""
        first, users = 0, len(self.user_ids)
        while first < users:
            last = int(np.searchsorted(self.offsets, self.offsets[first] + rows, side="right")) - 1
            last = min(max(last, first + 1), users)
            yield first, last
            first = last

    def items(self, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(int64[rows] user, int32[rows] item) of all events, some at a time."""
        total = int(self.offsets[-1])
        for start in range(0, total, rows):
            end = min(start + rows, total)
            users = np.searchsorted(self.offsets, np.arange(start, end), side="right") - 1
            yield users, self._column("item", start, end)

    def _column(self, name: str, start: int, end: int) -> np.ndarray:
        dtype = _COLUMNS[name]
        with storage.open_binary(storage.join(self.folder, name), "rb") as file:
            file.seek(start * dtype.itemsize)
            return np.frombuffer(file.read((end - start) * dtype.itemsize), dtype)


@dataclasses.dataclass(frozen=True)
class Repeats:
    """Events that go because their user has the item already, some at a time.

    Attributes:
      item: int32[rows], positions in the log's item_ids.
      place: int64[rows], from `place`.
      stays: int64[rows], the place of the event that stays.
      exact: whether rating and time are the same too.
    """

    item: np.ndarray
    place: np.ndarray
    stays: np.ndarray
    exact: bool


class Rows:
    """Numbers ids as they come, and appends rows to a file.

    Args:
      file: takes rows of `ROW`, users and items by their numbers in `users` and `items`.
      items: Codes of the catalogue, or of whatever comes.

    Attributes:
      users, items: Codes of what came.
      counts: int64[users so far], rows of each.
      largest: of all ratings.
      newest: of all times, 0 where there is no row.
    """

    def __init__(self, file: IO[bytes], items: Codes) -> None:
        self.users = Codes()
        self.items = items
        self.counts = np.zeros(0, np.int64)
        self.largest = 0.0
        self.newest = 0
        self._raw = file

    def add(
        self, users: np.ndarray, items: np.ndarray, ratings: np.ndarray, times: np.ndarray, places: np.ndarray
    ) -> None:
        """Appends rows; all arrays are of the same length, `places` is from `place`."""
        block = np.empty(len(users), ROW)
        for name, column in zip(ROW.names or (), (users, items, ratings, times, places), strict=True):
            block[name] = column
        self._raw.write(block.tobytes())
        self.largest = max(self.largest, float(ratings.max(initial=0)))
        self.newest = max(self.newest, int(times.max(initial=0)))
        counts = np.bincount(users, minlength=len(self.users))
        counts[: len(self.counts)] += self.counts
        self.counts = counts


class Writer(Rows):
    """Takes rows in the order of the files, and sorts them at the end.

    Args:
      folder: empty, on a disk with about 60 bytes per row.
      items: Codes of the catalogue, or of whatever comes.
      buffer_rows: rows sorted in memory at once. A user with more is sorted alone.
    """

    def __init__(self, folder: Path, items: Codes, buffer_rows: int) -> None:
        super().__init__((folder / "rows").open("wb"), items)
        self._folder = folder
        self._buffer = buffer_rows

    def drop_older(self, time: int) -> int:
        """Takes out the rows before a time (their users and items stay known); returns how many."""
        self._raw.close()
        before, path = int(self.counts.sum()), self._folder / "rows"
        every = path.rename(self._folder / "all-rows")
        self._raw = path.open("wb")
        self.counts, self.largest = write_newer(str(every), self._raw, time, len(self.users))
        every.unlink()
        return before - int(self.counts.sum())

    def finish(self, keep: Keep, tell: Callable[[Repeats], None], scale: Scale | None = None) -> Log:
        """Sorts.

        Args:
          tell: hears of the events that go.
          scale: of ratings that are weights.
        """
        self._raw.close()
        ids = self.users.ids()
        order = id_order(ids).to_numpy()
        rank = ranks(order)
        item_ids = self.items.ids()
        item_order = id_order(item_ids).to_numpy()

        counts = self.counts[order] if len(order) else np.zeros(0, np.int64)
        found = self._buckets(counts, rank, ranks(item_order), scale)
        buckets = (in_order(bucket, keep, tell, scale) for bucket in found)
        return write(
            buckets, str(self._folder), ids.take(pa.array(order)), item_ids.take(pa.array(item_order))
        )

    def _buckets(
        self, counts: np.ndarray, rank: np.ndarray, item_rank: np.ndarray, scale: Scale | None
    ) -> Iterator[np.ndarray]:
        """Rows of consecutive users, sorted by user and time; users and items by their final numbers."""
        raw = self._folder / "rows"
        bucket_of = buckets_of(counts, self._buffer)
        number = int(bucket_of[-1]) + 1 if len(counts) else 0
        paths = [self._folder / f"bucket-{i}" for i in range(number)]
        files = [path.open("wb") for path in paths]
        try:
            for block in blocks(str(raw)):
                block["user"] = rank[block["user"]]
                block["item"] = item_rank[block["item"]]
                if scale is not None:
                    block["rating"] = scale.shares(block["rating"], self.largest)
                to = bucket_of[block["user"]]
                if number > 1:
                    order = np.argsort(to, kind="stable")
                    block, to = block[order], to[order]
                ends = np.searchsorted(to, np.arange(number + 1))
                for i in np.unique(to).tolist():
                    block[ends[i] : ends[i + 1]].tofile(files[i])
        finally:
            for file in files:
                file.close()
        raw.unlink()
        for path in paths:
            bucket = np.fromfile(path, ROW)
            path.unlink()
            yield bucket


def buckets_of(counts: np.ndarray, rows: int) -> np.ndarray:
    """int64[U]: the bucket of each user: consecutive users with about so many rows together."""
    return (np.cumsum(counts) - counts) // rows


def ranks(order: np.ndarray) -> np.ndarray:
    """int32[n]: where each position comes in an order."""
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank


def in_order(
    bucket: np.ndarray, keep: Keep, tell: Callable[[Repeats], None], scale: Scale | None = None
) -> np.ndarray:
    """A bucket's rows (in the order in which they were read) by user and time, without what goes.

    Args:
      bucket: with ratings, or with what `scale.shares` made of weights.
    """
    # Stable: ties keep the order of reading.
    bucket = bucket[np.lexsort((bucket["time"], bucket["user"]))]
    bucket = bucket if keep is None else bucket[_kept(bucket, keep, tell)]
    if scale is not None:
        bucket["rating"] = scale.ranks(bucket["rating"], bucket["user"])
    return bucket


def write(buckets: Iterable[np.ndarray], folder: str, users: pa.StringArray, items: pa.StringArray) -> Log:
    """Writes rows by user and time as the columns of a log.

    Args:
      buckets: of `ROW`, users and items by their positions in `users` and `items`.
      users, items: in `id_order`. Of the users only those with a row are in the log.
    """
    counts = np.zeros(len(users), np.int64)
    with _columns(folder) as files:
        for bucket in buckets:
            counts += np.bincount(bucket["user"], minlength=len(counts))
            for name, file in files.items():
                file.write(bucket[name].tobytes())
    remain = counts > 0
    return Log(users.filter(pa.array(remain)), ragged.offsets_of(counts[remain]), items, folder)


@contextlib.contextmanager
def _columns(folder: str) -> Iterator[dict[str, IO[bytes]]]:
    """A file to write for each column."""
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(storage.open_binary(storage.join(folder, name), "wb"))
            for name in _COLUMNS
        }


def place(file: int, lines: np.ndarray) -> np.ndarray:
    """int64[rows]: where rows were read, in one number that grows with the reading."""
    return (np.int64(file) << _LINE_BITS) | lines


def file_and_line(number: int) -> tuple[int, int]:
    return number >> _LINE_BITS, number & ((1 << _LINE_BITS) - 1)


def select(log: Log, users: np.ndarray, items: np.ndarray, folder: str, buffer_rows: int) -> Log:
    """The events of some users with some items, in a folder of their own.

    Args:
      users, items: bool[U], bool[M]: which stay. Of the users only those with an
        event do.
      folder: empty.
    """
    number = np.cumsum(items, dtype=np.int32) - 1
    counts = np.zeros(len(users), np.int64)
    with _columns(folder) as files:
        for first, last in log.spans(buffer_rows):
            events = log.events(first, last)
            user = np.repeat(np.arange(first, last), np.diff(events.offsets))
            kept = users[user] & items[events.items]
            counts += np.bincount(user[kept], minlength=len(users))
            columns = {
                "item": number[events.items[kept]],
                "rating": events.ratings[kept],
                "time": events.timestamps[kept],
            }
            for name, file in files.items():
                file.write(columns[name].tobytes())
    remain = counts > 0
    return Log(
        log.user_ids.filter(pa.array(remain)),
        ragged.offsets_of(counts[remain]),
        log.item_ids.filter(pa.array(items)),
        folder,
    )


def blocks(path: str) -> Iterator[np.ndarray]:
    """The rows of a file that `Rows` wrote, some at a time."""
    with storage.open_binary(path, "rb") as file:
        while data := file.read(_READ_ROWS * ROW.itemsize):
            yield np.frombuffer(bytearray(data), ROW)  # of our own, so that they can be changed


def write_newer(path: str, file: IO[bytes], time: int, users: int) -> tuple[np.ndarray, float]:
    """Copies the rows of a file that `Rows` wrote, but those before a time.

    Args:
      users: how many there are.

    Returns:
      As of `Rows`, of what is copied: counts, largest.
    """
    counts, largest = np.zeros(users, np.int64), 0.0
    for block in blocks(path):
        newer = block[block["time"] >= time]
        file.write(newer.tobytes())
        counts += np.bincount(newer["user"], minlength=users)
        largest = max(largest, float(newer["rating"].max(initial=0)))
    return counts, largest


def _kept(bucket: np.ndarray, keep: str, tell: Callable[[Repeats], None]) -> np.ndarray:
    """bool[rows]: which of a bucket's rows stay."""
    kept = np.ones(len(bucket), bool)
    if not len(bucket):
        return kept
    key = bucket["user"].astype(np.int64) * (np.int64(bucket["item"].max()) + 1) + bucket["item"]
    ordered = np.sort(key)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not twice.size:
        return kept
    rows = np.flatnonzero(np.isin(key, twice))
    same = bucket[rows][["rating", "time", "place"]]

    order = np.lexsort((same["place"], same["time"], same["rating"], key[rows]))
    rows, same = rows[order], same[order]
    new = _new(key[rows]) | _new(same["rating"]) | _new(same["time"])
    _drop(bucket, kept, rows, new, True, tell)

    rows = rows[new]
    time = bucket["time"][rows] if keep != "read" else np.zeros(len(rows), np.int64)
    strength = bucket["rating"][rows] if keep == "strongest" else np.zeros(len(rows), np.float32)
    backwards = -1 if keep in ("last", "strongest") else 1
    by = (backwards * bucket["place"][rows], backwards * time, -strength, key[rows])
    rows = rows[np.lexsort(by)]
    _drop(bucket, kept, rows, _new(key[rows]), False, tell)
    return kept


def _new(ordered: np.ndarray) -> np.ndarray:
    """bool[rows]: whether a value differs from the one before."""
    return np.append(True, ordered[1:] != ordered[:-1])


def _drop(
    bucket: np.ndarray,
    kept: np.ndarray,
    rows: np.ndarray,
    new: np.ndarray,
    exact: bool,
    tell: Callable[[Repeats], None],
) -> None:
    """Of each group of `rows`, which begin where `new` says, all but the first go."""
    stays = rows[new][np.cumsum(new) - 1][~new]
    rows = rows[~new]
    if rows.size:
        kept[rows] = False
        gone = bucket[rows]
        tell(Repeats(gone["item"], gone["place"], bucket["place"][stays], exact))
