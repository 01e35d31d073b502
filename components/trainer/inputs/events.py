"""Timelines as flat arrays, and the batches that training and eval read from them.

The arrays may be maps of files (event_files.py): nothing here holds a copy of all events or
of an order of them, so what an epoch needs of memory does not grow with its length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

import contract
from components.common.event_lists import Events
from components.model.batches import Pairs, Sequences

# Of the cipher that shuffles: with TensorFlow's default of 4, neighbours remain a fixed step apart.
_ROUNDS = 16


def flatten(timelines: pa.Table, ids: Sequence[bytes], features: tuple[str, str, str]) -> Events:
    """The lists of `features` (ids, ratings, timestamps) of every record.

    Raises:
      ValueError: an event names an item that is not among `ids`.
    """
    item_ids, ratings, timestamps = (timelines[name].combine_chunks() for name in features)
    names = item_ids.flatten()
    rows = pc.index_in(names, pa.array([x.decode() for x in ids], names.type))
    if rows.null_count:
        stranger = names.filter(rows.is_null())[0].as_py()
        raise ValueError(
            f"{features[0]} holds item {stranger!r}, which is not in the items artifact; "
            "both must come from the same ExampleGen run"
        )
    lengths = item_ids.value_lengths().to_numpy()
    return Events(
        rows=rows.to_numpy().astype(np.int32),
        ratings=ratings.flatten().to_numpy().astype(np.float32),
        timestamps=timestamps.flatten().to_numpy().astype(np.int64),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


class PairPositions:
    """int64[P], not held: flat positions of the events that can be a "next", all but each record's first."""

    def __init__(self, events: Events) -> None:
        self._first = events.offsets[:-1]
        counts = np.maximum(np.diff(events.offsets) - 1, 0)
        self._before = np.cumsum(counts) - counts
        self._total = int(counts.sum())

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        """int64[n]: the n-th of them, for each of `which`."""
        if isinstance(which, slice):
            which = np.arange(*which.indices(self._total))
        # Of records that begin at the same place the last one has a pair.
        record = np.searchsorted(self._before, which, side="right") - 1
        return self._first[record] + 1 + which - self._before[record]


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
    """Gathers windows of the flat events, alone or as a step of a tf.data pipeline.

    Args:
      events: histories.
      size: W, events of a window.
    """

    def __init__(self, events: Events, size: int) -> None:
        self.events = events
        self._size = size

    def pairs(self, positions: tf.Tensor) -> Pairs:
        """The prefix's last W events and the next one, for each flat position (int64[B])."""

        def gather(positions: np.ndarray) -> list[np.ndarray]:
            record = self._record(positions)
            return [
                *self._window(positions, self.events.offsets[record]),
                *self._at(positions),
                self._profile(record),
            ]

        return self._made(Pairs, gather, positions)

    def whole(self, starts: tf.Tensor, ends: tf.Tensor, now: tf.Tensor) -> Pairs:
        """The last W events of whole records at the time `now`; the target fields hold their last event."""

        def gather(starts: np.ndarray, ends: np.ndarray, now: np.ndarray) -> list[np.ndarray]:
            last = np.maximum(ends - 1, 0)
            rows, ratings, _ = self._at(last)
            return [*self._window(ends, starts), rows, ratings, now, self._profile(self._record(last))]

        return self._made(Pairs, gather, starts, ends, now)

    def sequences(self, last: tf.Tensor) -> Sequences:
        """The W events up to each flat position (int64[B]), and what came after each of them."""

        def gather(last: np.ndarray) -> list[np.ndarray]:
            record = self._record(last)
            *window, mask = self._window(last + 1, self.events.offsets[record])
            after = np.maximum(last[:, np.newaxis] + np.arange(2 - self._size, 2), 0)
            following = (np.where(mask, x, np.zeros_like(x)) for x in self._at(after))
            return [*window, mask, *following, self._profile(record)]

        return self._made(Sequences, gather, last)

    def _made(
        self, kind: type[Pairs] | type[Sequences], gather: Callable[..., list[np.ndarray]], *at: tf.Tensor
    ) -> Any:
        one = (tf.int32, tf.float32, tf.int64)
        arrays = tf.numpy_function(gather, at, [*one, tf.bool, *one, tf.int32])
        each = at[0].shape
        many = each.concatenate([self._size])
        targets = many if kind is Sequences else each
        shapes = [many] * 4 + [targets] * 3 + [each]
        window, following, profile = arrays[:4], arrays[4:7], arrays[7]
        for array, shape in zip((*window, *following, profile), shapes, strict=True):
            array.set_shape(shape)
        return kind(*window, *following, profile)

    def _record(self, positions: np.ndarray) -> np.ndarray:
        # Of records that begin at the same place the last one has an event.
        return np.searchsorted(self.events.offsets, positions, side="right") - 1

    def _profile(self, record: np.ndarray) -> np.ndarray:
        profiles = self.events.profiles
        return np.zeros(len(record), np.int32) if profiles is None else profiles[record]

    def _at(self, index: np.ndarray) -> list[np.ndarray]:
        """Rows, ratings and timestamps of events; of nothing there are none."""
        if not len(self.events.rows):
            return [np.zeros(index.shape, dtype) for dtype in (np.int32, np.float32, np.int64)]
        return [self.events.rows[index], self.events.ratings[index], self.events.timestamps[index]]

    def _window(self, ends: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
        index = ends[:, np.newaxis] + np.arange(-self._size, 0)
        mask = index >= starts[:, np.newaxis]
        found = self._at(np.maximum(index, 0))
        return [*(np.where(mask, x, np.zeros_like(x)) for x in found), mask]


def training_batches(
    windows: Windows,
    positions: PairPositions,
    batch_size: int,
    seed: int,
    first: int = 0,
    end: int | None = None,
) -> tf.data.Dataset:
    """One pass over all pairs in a seeded order, in batches of exactly `batch_size`.

    The last, short batch is left out: logQ's shares hold for full batches. With
    fewer pairs than `batch_size` there is one batch of all pairs.

    Args:
      windows, positions: of the events.
      first, end: which of the pass's batches; None: up to the last.
    """
    batch_size = min(batch_size, len(positions))
    steps = len(positions) // batch_size
    return _steps(lambda step: _pairs(windows, positions, step, batch_size, seed), first, end or steps)


def sequence_batches(
    windows: Windows,
    ends: np.ndarray,
    positions: PairPositions,
    sizes: tuple[int, int],
    seed: int,
    fewest: int = 1,
    first: int = 0,
    end: int | None = None,
) -> tf.data.Dataset:
    """One pass over all windows in a seeded order, each batch with a batch of pairs beside it.

    Args:
      windows: of the events.
      ends: see `window_ends`.
      positions: of the pairs; where windows are so many that all have been beside one, they come again.
      sizes: windows and pairs of a batch.
      seed: of both orders.
      fewest: windows that a last, short batch must have; one with fewer is left out.
      first, end: as in `training_batches`.
    """
    size, beside = sizes[0], min(sizes[1], len(positions))
    steps, left = divmod(len(ends), size)
    steps += bool(left and (left >= fewest or not steps))

    def batch(step: tf.Tensor) -> tuple[Sequences, Pairs]:
        ranks = _shuffled(step * size, size, len(ends), seed)
        last = tf.numpy_function(ends.__getitem__, [ranks], tf.int64)
        last.set_shape(ranks.shape)
        return windows.sequences(last), _pairs(windows, positions, step, beside, seed)

    return _steps(batch, first, end or steps)


def _steps(make: Callable[[tf.Tensor], Any], first: int, end: int) -> tf.data.Dataset:
    options = tf.data.Options()
    # There is nothing to tune, and with it the end of an iterator waits for the tuner, which sleeps twice
    # as long each time: it wakes after 10, 20, 41, 82 s ...
    options.autotune.enabled = False
    steps = tf.data.Dataset.range(first, end).map(make, num_parallel_calls=1, deterministic=True)
    return steps.prefetch(4).with_options(options)


def _pairs(windows: Windows, positions: PairPositions, step: tf.Tensor, size: int, seed: int) -> Pairs:
    ranks = _shuffled(step % (len(positions) // size) * size, size, len(positions), seed)
    at = tf.numpy_function(positions.__getitem__, [ranks], tf.int64)
    at.set_shape([size])
    return windows.pairs(at)


def _shuffled(first: tf.Tensor, count: int, total: int, seed: int) -> tf.Tensor:
    """int64[count], fewer at the end: places `first` ... of a permutation of `total` numbers.

    A block cipher on the numbers up to `total` (TensorFlow's index_shuffle) is a permutation of which
    any part can be had without the rest.
    """
    ranks = tf.range(first, tf.minimum(first + count, total))
    return tf.raw_ops.RandomIndexShuffle(
        index=ranks, seed=tf.constant([seed, 0, 0], tf.int64), max_index=total - 1, rounds=_ROUNDS
    )


def history_events(timelines: pa.Table, ids: list[bytes]) -> Events:
    return flatten(timelines, ids, contract.HISTORY_FEATURES)


def target_events(timelines: pa.Table, ids: list[bytes]) -> Events:
    return flatten(timelines, ids, contract.TARGET_FEATURES)
