"""Timelines as flat arrays, and the batches that training and eval read from them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from components import contract
from components.flat_events import Events
from components.model.batches import Pairs, Sequences


def flatten(timelines: pa.Table, ids: list[bytes], features: tuple[str, str, str]) -> Events:
    """The lists of `features` (ids, ratings, timestamps) of every record.

    Raises:
      ValueError: an event names a movie that is not among `ids`.
    """
    movie_ids, ratings, timestamps = (timelines[name].combine_chunks() for name in features)
    names = movie_ids.flatten()
    rows = pc.index_in(names, pa.array([x.decode() for x in ids], names.type))
    if rows.null_count:
        stranger = names.filter(rows.is_null())[0].as_py()
        raise ValueError(
            f"{features[0]} holds movie {stranger!r}, which is not in the movies artifact; "
            "both must come from the same ExampleGen run"
        )
    lengths = movie_ids.value_lengths().to_numpy()
    return Events(
        rows=rows.to_numpy().astype(np.int32),
        ratings=ratings.flatten().to_numpy().astype(np.float32),
        timestamps=timestamps.flatten().to_numpy().astype(np.int64),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def pair_positions(events: Events) -> np.ndarray:
    """int64[P]: flat positions of the events that can be a "next": all but each record's first."""
    first = np.zeros(len(events.rows) + 1, bool)
    first[events.offsets[:-1]] = True
    return np.flatnonzero(~first[:-1])


def window_ends(events: Events, size: int) -> np.ndarray:
    """int64[S]: flat positions of the last events of windows of `size` events, from each record's end back.

    Every event but each record's first is the next one of exactly one event in one of the windows.
    """
    starts, ends = events.offsets[:-1], events.offsets[1:]
    counts = np.maximum(-(-(ends - starts - 1) // size), 0)
    record = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return ends[record] - 2 - nth * size


class Windows:
    """Gathers windows of the flat events inside the graph.

    Args:
      events: histories.
      size: W, events of a window.
    """

    def __init__(self, events: Events, size: int) -> None:
        self.events = events
        self._size = size
        self._rows = tf.constant(events.rows)
        self._ratings = tf.constant(events.ratings)
        self._timestamps = tf.constant(events.timestamps)
        lengths = np.diff(events.offsets)
        self._start = tf.constant(np.repeat(events.offsets[:-1], lengths))
        self._profile = None if events.profiles is None else tf.constant(np.repeat(events.profiles, lengths))

    def pairs(self, positions: tf.Tensor) -> Pairs:
        """The prefix's last W events and the next one, for each flat position (int64[B])."""
        history = self._window(positions, tf.gather(self._start, positions))
        return Pairs(
            **history,
            target=tf.gather(self._rows, positions),
            target_rating=tf.gather(self._ratings, positions),
            now=tf.gather(self._timestamps, positions),
            profile=self._profile_at(positions),
        )

    def whole(self, starts: tf.Tensor, ends: tf.Tensor, now: tf.Tensor) -> Pairs:
        """The last W events of whole records, asked at `now`; the target fields hold their last event."""
        last = tf.maximum(ends - 1, 0)
        return Pairs(
            **self._window(ends, starts),
            target=tf.gather(self._rows, last),
            target_rating=tf.gather(self._ratings, last),
            now=now,
            profile=self._profile_at(last),
        )

    def sequences(self, last: tf.Tensor) -> Sequences:
        """The W events up to each flat position (int64[B]), and what came after each of them."""
        history = self._window(last + 1, tf.gather(self._start, last))
        after = last[:, tf.newaxis] + tf.range(2 - self._size, 2, dtype=tf.int64)
        after = tf.maximum(after, 0)

        def take(values: tf.Tensor) -> tf.Tensor:
            taken = tf.gather(values, after)
            return tf.where(history["mask"], taken, tf.zeros_like(taken))

        return Sequences(
            **history,
            target=take(self._rows),
            target_rating=take(self._ratings),
            now=take(self._timestamps),
            profile=self._profile_at(last),
        )

    def _profile_at(self, positions: tf.Tensor) -> tf.Tensor:
        if self._profile is None:
            return tf.zeros(tf.shape(positions), tf.int32)
        return tf.gather(self._profile, positions)

    def _window(self, ends: tf.Tensor, starts: tf.Tensor) -> dict[str, tf.Tensor]:
        index = ends[:, tf.newaxis] + tf.range(-self._size, 0, dtype=tf.int64)[tf.newaxis, :]
        mask = index >= starts[:, tf.newaxis]
        index = tf.maximum(index, 0)

        def take(values: tf.Tensor) -> tf.Tensor:
            taken = tf.gather(values, index)
            return tf.where(mask, taken, tf.zeros_like(taken))

        return {
            "rows": take(self._rows),
            "ratings": take(self._ratings),
            "timestamps": take(self._timestamps),
            "mask": mask,
        }


def training_batches(windows: Windows, positions: np.ndarray, batch_size: int, seed: int) -> tf.data.Dataset:
    """One pass over all pairs in a new seeded order, in batches of exactly `batch_size`.

    The last, short batch is left out: logQ's shares hold for full batches. With
    fewer pairs than `batch_size` there is one batch of all pairs.
    """
    batch_size = min(batch_size, len(positions))
    return (
        tf.data.Dataset.from_tensor_slices(positions)
        .shuffle(len(positions), seed=seed, reshuffle_each_iteration=True)
        .batch(batch_size, drop_remainder=True)
        .map(windows.pairs, num_parallel_calls=1, deterministic=True)
        .prefetch(4)
    )


def sequence_batches(
    windows: Windows,
    ends: np.ndarray,
    positions: np.ndarray,
    sizes: tuple[int, int],
    seed: int,
    fewest: int = 1,
) -> tf.data.Dataset:
    """One pass over all windows in a new seeded order, each batch with a batch of pairs beside it.

    Args:
      windows: of the events.
      ends: see `window_ends`.
      positions: of the pairs, drawn anew for every batch.
      sizes: windows and pairs of a batch.
      seed: of both orders.
      fewest: windows that a last, short batch must have; one with fewer is left out.
    """
    too_short = len(ends) > sizes[0] and 0 < len(ends) % sizes[0] < fewest
    pairs = training_batches(windows, positions, sizes[1], seed).repeat()
    sequences = (
        tf.data.Dataset.from_tensor_slices(ends)
        .shuffle(len(ends), seed=seed, reshuffle_each_iteration=True)
        .batch(sizes[0], drop_remainder=too_short)
        .map(windows.sequences, num_parallel_calls=1, deterministic=True)
    )
    return tf.data.Dataset.zip((sequences, pairs)).prefetch(4)


def history_events(timelines: pa.Table, ids: list[bytes]) -> Events:
    return flatten(timelines, ids, contract.HISTORY_FEATURES)


def target_events(timelines: pa.Table, ids: list[bytes]) -> Events:
    return flatten(timelines, ids, contract.TARGET_FEATURES)
