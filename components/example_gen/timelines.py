"""Ratings -> one record per user and split. Pure functions over flat arrays.

U users, M movies, R ratings. Events are sorted by user and time, so a user is a
span of the flat arrays and every split is two spans per user.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components import contract
from components.example_gen import features, ragged
from components.example_gen.interactions import RATING, TIMESTAMP, Interactions


@dataclasses.dataclass(frozen=True)
class Events:
    """All ratings, sorted by user, then time; ties keep the file's order.

    Attributes:
      user_ids: string[U], in `id_order`.
      offsets: int64[U + 1]: user u's events are offsets[u]:offsets[u + 1].
      movie_ids: string[M], in `id_order`; also the movies nobody rated.
      movies: int32[R], positions in movie_ids.
      ratings: float32[R], stars.
      timestamps: int64[R], Unix seconds.
    """

    user_ids: pa.StringArray
    offsets: np.ndarray
    movie_ids: pa.StringArray
    movies: np.ndarray
    ratings: np.ndarray
    timestamps: np.ndarray


@dataclasses.dataclass(frozen=True)
class Cut:
    """Where each user's events are cut: positions in the flat arrays of `Events`.

    Attributes:
      train_end: int64[U], the end of what train and eval know.
      eval_end: int64[U], the end of eval's targets and of what test knows.
      split_users: int64[S], the users that have eval and test records.
    """

    train_end: np.ndarray
    eval_end: np.ndarray
    split_users: np.ndarray


def sort_events(log: Interactions) -> Events:
    """Sorts a log's ratings by user and time."""
    users, user_ids = codes(log.ratings[contract.USER_ID])
    movie_ids = log.movies[contract.MOVIE_ID].combine_chunks()
    movie_ids = movie_ids.take(id_order(movie_ids))
    timestamps = log.ratings[TIMESTAMP].to_numpy()

    # A stable sort, like np.lexsort, and several times faster.
    keys = pa.table({"user": users, "time": timestamps})
    order = pc.sort_indices(keys, sort_keys=[("user", "ascending"), ("time", "ascending")]).to_numpy()
    return Events(
        user_ids=user_ids,
        offsets=ragged.offsets_of(np.bincount(users, minlength=len(user_ids))),
        movie_ids=movie_ids,
        movies=positions(log.ratings[contract.MOVIE_ID], movie_ids)[order],
        ratings=log.ratings[RATING].to_numpy()[order],
        timestamps=timestamps[order],
    )


def cut(offsets: np.ndarray) -> Cut:
    """Cuts each user's events by time (the rule is stated beside contract.SPLITS)."""
    counts = np.diff(offsets)
    split = counts >= 3
    block = np.where(split, np.maximum(1, counts // 10), 0)
    ends = offsets[1:]
    return Cut(train_end=ends - 2 * block, eval_end=ends - block, split_users=np.flatnonzero(split))


def train_mask(events: Events, at: Cut) -> np.ndarray:
    """bool[R]: whether an event is a train rating, that is, part of a train history."""
    return np.arange(len(events.movies)) < np.repeat(at.train_end, np.diff(events.offsets))


def users_of(at: Cut, split: str) -> np.ndarray:
    """int64[...]: the users that have a record in `split`, in their order."""
    return np.arange(len(at.train_end)) if split == contract.TRAIN else at.split_users


def lengths(events: Events, at: Cut, split: str) -> np.ndarray:
    """int64[records]: the number of events, history and targets, in each record of `split`."""
    users = users_of(at, split)
    (_, history), (_, targets) = _spans(events, at, split, users)
    return history + targets


def records(events: Events, at: Cut, split: str, which: slice = slice(None)) -> pa.Table:
    """The records of `split` (or a slice of them) as a table of `features.TIMELINES`.

    Nothing in the history columns lies past the split's cut, and whether a target
    is cold is decided by train ratings alone.
    """
    users = users_of(at, split)[which]
    history, targets = _spans(events, at, split, users)
    columns = [
        events.user_ids.take(pa.array(users)),
        *_columns(events, *history),
        *_columns(events, *targets),
        *_slices(events, at, split, history[1], *targets),
    ]
    return pa.Table.from_arrays(
        [column.cast(field.type) for column, field in zip(columns, features.TIMELINES, strict=True)],
        schema=features.TIMELINES,
    )


def _spans(
    events: Events, at: Cut, split: str, users: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """(starts, lengths) of the histories, then of the targets, of these users' records."""
    start, end = events.offsets[:-1][users], events.offsets[1:][users]
    train_end, eval_end = at.train_end[users], at.eval_end[users]
    known_until, target_until = {
        contract.TRAIN: (train_end, train_end),
        contract.EVAL: (train_end, eval_end),
        contract.TEST: (eval_end, end),
    }[split]
    return (start, known_until - start), (known_until, target_until - known_until)


def _columns(events: Events, starts: np.ndarray, counts: np.ndarray) -> list[pa.LargeListArray]:
    """Movie ids, ratings and timestamps of one span per record, as lists."""
    rows = ragged.spans(starts, counts)
    movie_ids = events.movie_ids.cast(pa.large_string()).take(pa.array(events.movies[rows]))
    values = (movie_ids, pa.array(events.ratings[rows]), pa.array(events.timestamps[rows]))
    return [ragged.from_lengths(counts, value) for value in values]


def _slices(
    events: Events,
    at: Cut,
    split: str,
    history_lengths: np.ndarray,
    starts: np.ndarray,
    counts: np.ndarray,
) -> list[pa.Array]:
    """SLICE_HISTORY and SLICE_COLD of each record; "" in train, which is not evaluated."""
    if split == contract.TRAIN:
        return [pa.array([""] * len(counts), pa.string())] * 2

    bounds = [upper for upper, _ in contract.HISTORY_BUCKETS if upper is not None]
    names = pa.array([name for _, name in contract.HISTORY_BUCKETS])
    buckets = names.take(pa.array(np.searchsorted(bounds, history_lengths)))

    seen = np.bincount(events.movies[train_mask(events, at)], minlength=len(events.movie_ids)) > 0
    rows = ragged.spans(starts, counts)
    cold_target = (events.ratings[rows] >= contract.RELEVANT_RATING) & ~seen[events.movies[rows]]
    cold = np.bincount(np.repeat(np.arange(len(counts)), counts), cold_target, len(counts)) > 0
    return [buckets, pc.if_else(pa.array(cold), contract.COLD, contract.WARM)]


def id_order(ids: pa.StringArray) -> pa.Array:
    """Positions that sort ids: whole numbers by value first, then the others by their bytes.

    Numbers of any length: without leading zeros, the longer one is the larger.
    """
    digits = pc.fill_null(pc.struct_field(pc.extract_regex(ids, "^0*(?P<digits>[0-9]+)$"), "digits"), "")
    keys = pa.table(
        {"other": pc.equal(digits, ""), "length": pc.utf8_length(digits), "digits": digits, "id": ids}
    )
    return pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])


def codes(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.StringArray]:
    """A dictionary column -> (int32 position of each row's id, the distinct ids in `id_order`)."""
    # Chunks were read in parallel, each with a dictionary of its own.
    used = [chunk.unique().dictionary_decode() for chunk in column.chunks]
    ids = pa.chunked_array(used, pa.string()).unique()
    ids = ids.take(id_order(ids))
    return positions(column, ids), ids


def positions(column: pa.ChunkedArray, ids: pa.StringArray) -> np.ndarray:
    """int32[rows]: the position in `ids` of each row of a dictionary column, -1 where it has none."""
    chunks = [
        pc.fill_null(pc.index_in(chunk.dictionary, ids), -1).to_numpy()[chunk.indices.to_numpy()]
        for chunk in column.chunks
    ]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.int32)
