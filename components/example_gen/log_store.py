"""A log of any size, sorted by user and time on disk.

Rows are numbered (users, items), appended to a file as they come, dealt out to
buckets of whole users, and sorted bucket by bucket: memory holds one bucket, and
the time is linear. What comes of it is one file per column, and a user is a span
of them. Why our own and not an engine: docs/how-it-works.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from components.example_gen import ragged
from components.example_gen.codes import Codes, id_order
from components.example_gen.timelines import Events

_ROW: Final = np.dtype(
    [("user", "<i4"), ("item", "<i4"), ("rating", "<f4"), ("time", "<i8"), ("place", "<i8")]
)
_COLUMNS: Final[dict[str, np.dtype]] = {
    "item": np.dtype("<i4"),
    "rating": np.dtype("<f4"),
    "time": np.dtype("<i8"),
}
_LINE_BITS: Final = 40
_READ_ROWS: Final = 1 << 20


@dataclasses.dataclass(frozen=True)
class Log:
    """Events sorted by user, then time; ties keep the order in which they were read.

    Attributes:
      folder: of the columns, flat files of `_COLUMNS`.
      user_ids: string[U], in `id_order`; each has an event.
      offsets: int64[U + 1]: user u's events are offsets[u]:offsets[u + 1].
      item_ids: string[M], in `id_order`; also items without an event.
    """

    folder: Path
    user_ids: pa.StringArray
    offsets: np.ndarray
    item_ids: pa.StringArray

    def events(self, first: int, last: int) -> Events:
        """The events of the users first ... last - 1."""
        start, end = int(self.offsets[first]), int(self.offsets[last])
        item, rating, time = (self._column(name, start, end) for name in _COLUMNS)
        return Events(
            user_ids=self.user_ids[first:last],
            offsets=self.offsets[first : last + 1] - start,
            movie_ids=self.item_ids,
            movies=item,
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
        return np.fromfile(self.folder / name, dtype, end - start, offset=start * dtype.itemsize)


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


class Writer:
    """Takes rows in the order of the files, and sorts them at the end.

    Args:
      folder: empty, on a disk with about 60 bytes per row.
      items: Codes of the catalogue, or of whatever comes.
      buffer_rows: rows sorted in memory at once. A user with more is sorted alone.
    """

    def __init__(self, folder: Path, items: Codes, buffer_rows: int) -> None:
        self.users = Codes()
        self.items = items
        self._folder = folder
        self._buffer = buffer_rows
        self._raw = (folder / "rows").open("wb")
        self._counts = np.zeros(0, np.int64)

    def add(
        self, users: np.ndarray, items: np.ndarray, ratings: np.ndarray, times: np.ndarray, places: np.ndarray
    ) -> None:
        """Appends rows; all arrays are of the same length, `places` is from `place`."""
        block = np.empty(len(users), _ROW)
        for name, column in zip(_ROW.names or (), (users, items, ratings, times, places), strict=True):
            block[name] = column
        block.tofile(self._raw)
        counts = np.bincount(users, minlength=len(self.users))
        counts[: len(self._counts)] += self._counts
        self._counts = counts

    def finish(
        self, keep: Literal["read", "first", "last", "strongest"] | None, tell: Callable[[Repeats], None]
    ) -> Log:
        """Sorts.

        Args:
          keep: which of a user's events with one item stays: the one read first, the
            first or last in time, or the one rated highest (of equals the last). Of
            exact duplicates it is the one read first.
            None: all stay.
          tell: hears of the events that go.
        """
        self._raw.close()
        ids = self.users.ids()
        order = id_order(ids).to_numpy()
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        item_ids = self.items.ids()
        item_order = id_order(item_ids).to_numpy()
        item_rank = np.empty(len(item_order), np.int32)
        item_rank[item_order] = np.arange(len(item_order), dtype=np.int32)

        counts = self._counts[order] if len(order) else np.zeros(0, np.int64)
        kept = np.zeros(len(order), np.int64)
        files = {name: (self._folder / name).open("wb") for name in _COLUMNS}
        try:
            for bucket in self._buckets(counts, rank, item_rank):
                if keep is not None:
                    bucket = bucket[_kept(bucket, keep, tell)]
                kept += np.bincount(bucket["user"], minlength=len(kept))
                for name, file in files.items():
                    np.ascontiguousarray(bucket[name]).tofile(file)
        finally:
            for file in files.values():
                file.close()
        remain = kept > 0
        users = ids.take(pa.array(order)).filter(pa.array(remain))
        return Log(self._folder, users, ragged.offsets_of(kept[remain]), item_ids.take(pa.array(item_order)))

    def _buckets(self, counts: np.ndarray, rank: np.ndarray, item_rank: np.ndarray) -> Iterator[np.ndarray]:
        """Rows of consecutive users, sorted by user and time; users and items by their final numbers."""
        raw = self._folder / "rows"
        starts = np.cumsum(counts) - counts
        bucket_of = starts // self._buffer
        number = int(bucket_of[-1]) + 1 if len(counts) else 0
        paths = [self._folder / f"bucket-{i}" for i in range(number)]
        files = [path.open("wb") for path in paths]
        try:
            for block in _blocks(raw):
                block["user"] = rank[block["user"]]
                block["item"] = item_rank[block["item"]]
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
            bucket = np.fromfile(path, _ROW)
            path.unlink()
            # Stable, and blocks went out in the order of the files: ties keep it.
            yield bucket[np.lexsort((bucket["time"], bucket["user"]))]


def place(file: int, lines: np.ndarray) -> np.ndarray:
    """int64[rows]: where rows were read, in one number that grows with the reading."""
    return (np.int64(file) << _LINE_BITS) | lines


def file_and_line(number: int) -> tuple[int, int]:
    return number >> _LINE_BITS, number & ((1 << _LINE_BITS) - 1)


def select(log: Log, users: np.ndarray, items: np.ndarray, folder: Path, buffer_rows: int) -> Log:
    """The events of some users with some items, in a folder of their own.

    Args:
      users, items: bool[U], bool[M]: which stay. Of the users only those with an
        event do.
      folder: empty.
    """
    number = np.cumsum(items, dtype=np.int32) - 1
    counts = np.zeros(len(users), np.int64)
    files = {name: (folder / name).open("wb") for name in _COLUMNS}
    try:
        for first, last in log.spans(buffer_rows):
            events = log.events(first, last)
            user = np.repeat(np.arange(first, last), np.diff(events.offsets))
            kept = users[user] & items[events.movies]
            counts += np.bincount(user[kept], minlength=len(users))
            columns = {
                "item": number[events.movies[kept]],
                "rating": events.ratings[kept],
                "time": events.timestamps[kept],
            }
            for name, file in files.items():
                columns[name].tofile(file)
    finally:
        for file in files.values():
            file.close()
    remain = counts > 0
    return Log(
        folder,
        log.user_ids.filter(pa.array(remain)),
        ragged.offsets_of(counts[remain]),
        log.item_ids.filter(pa.array(items)),
    )


def _blocks(path: Path) -> Iterator[np.ndarray]:
    with path.open("rb") as file:
        while len(block := np.fromfile(file, _ROW, _READ_ROWS)):
            yield block


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
