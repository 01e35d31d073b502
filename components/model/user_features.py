"""Everything known about a user, as pure functions of the history (its window of W events).

The same code runs in training and in the serving graph, so they cannot differ.
"""

from __future__ import annotations

import tensorflow as tf

import contract
from components.model.history import History

_DAY = 86_400.0
# count, mean, spread, days the window spans, days since the last event
NUM_FEATURES = 5
# bumps along the time that the training events span
NUM_DATES = 12


def scale_rating(stars: tf.Tensor) -> tf.Tensor:
    """Stars in [0.5, 5] to [-1, 1]."""
    middle = (contract.MAX_RATING + contract.MIN_RATING) / 2
    return (stars - middle) / (contract.MAX_RATING - middle)


def star_weight(history: History) -> tf.Tensor:
    """float32[B, W]: softplus of the scaled stars, from 0.3 to 1.3; 0 where masked."""
    return tf.nn.softplus(scale_rating(history.ratings)) * tf.cast(history.mask, tf.float32)


def calendar(history: History, now: tf.Tensor, first: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    """float32[B, NUM_DATES]: where the request lies between two dates; zeros if its time is not known.

    What people watch depends on the date: an item cannot be watched before it is
    released, and is watched most soon after. Bump b is exp(-(place - b)^2), place
    being 0 at `first` and NUM_DATES - 1 at `last`; a later request is read as at `last`.

    Args:
      history: windowed events.
      now: int64[B], Unix seconds; 0 stands for the last event's time.
      first, last: int64[], Unix seconds of the first and last training event.
    """
    latest = tf.reduce_max(tf.where(history.mask, history.timestamps, 0), axis=1)
    return date_bumps(tf.where(now > 0, now, latest), first, last)


def date_bumps(moment: tf.Tensor, first: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    """float32[..., NUM_DATES] of int64[...], Unix seconds; zeros where it is 0. See `calendar`."""
    known = tf.cast((moment > 0) & (last > first), tf.float32)
    since = tf.cast(tf.clip_by_value(moment, first, last) - first, tf.float32)
    place = (NUM_DATES - 1) * tf.math.divide_no_nan(since, tf.cast(last - first, tf.float32))
    bumps = tf.exp(-tf.square(place[..., tf.newaxis] - tf.range(NUM_DATES, dtype=tf.float32)))
    return known[..., tf.newaxis] * bumps


def summary(history: History, now: tf.Tensor) -> tf.Tensor:
    """float32[B, NUM_FEATURES] before standardisation; zeros for an empty history.

    Args:
      history: windowed events.
      now: int64[B], Unix seconds; 0 stands for the last event's time.
    """
    present = tf.cast(history.mask, tf.float32)
    count = tf.reduce_sum(present, axis=1)
    safe = tf.maximum(count, 1.0)
    stars = scale_rating(history.ratings) * present
    mean = tf.reduce_sum(stars, axis=1) / safe
    spread = tf.sqrt(tf.reduce_sum(tf.square(stars - mean[:, tf.newaxis]) * present, axis=1) / safe)
    dated = history.mask & (history.timestamps > 0)
    latest = tf.reduce_max(tf.where(dated, history.timestamps, 0), axis=1)
    earliest = tf.reduce_min(tf.where(dated, history.timestamps, tf.int64.max), axis=1)
    has_date = tf.reduce_any(dated, axis=1)
    span = tf.where(has_date, latest - earliest, 0)
    idle = tf.where(has_date & (now > 0), tf.maximum(now - latest, 0), 0)
    return tf.stack(
        [
            tf.math.log1p(count),
            mean,
            spread,
            tf.math.log1p(tf.cast(span, tf.float32) / _DAY),
            tf.math.log1p(tf.cast(idle, tf.float32) / _DAY),
        ],
        axis=1,
    )


def genre_taste(history: History, genres: tf.Tensor) -> tf.Tensor:
    """float32[B, G]: how a user's attention is spread over the genres, summing to 1.

    Each event adds its stars, scaled to [0, 2], to its item's genres, so that a
    genre watched often and one rated highly both count. All 0 for an empty history.

    Args:
      history: windowed events.
      genres: float32[N, G], multi-hot genres of the catalogue.
    """
    present = tf.cast(history.mask, tf.float32)
    weight = (scale_rating(history.ratings) + 1.0) * present
    taste = tf.einsum("bw,bwg->bg", weight, tf.gather(genres, history.rows))
    return tf.math.divide_no_nan(taste, tf.reduce_sum(tf.abs(taste), axis=1, keepdims=True))
