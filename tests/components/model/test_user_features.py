import math

import numpy as np
import pytest
import tensorflow as tf

from components.model import user_features
from components.model.history import History

DAY = 86_400


def history(ratings, times, width=5):
    pad = width - len(ratings)
    return History(
        rows=tf.constant([[0] * pad + list(range(len(ratings)))], tf.int32),
        ratings=tf.constant([[0.0] * pad + ratings]),
        timestamps=tf.constant([[0] * pad + times], tf.int64),
        mask=tf.constant([[False] * pad + [True] * len(ratings)]),
    )


def test_stars_scale_to_minus_one_and_one():
    np.testing.assert_allclose(user_features.scale_rating(tf.constant([0.5, 2.75, 5.0])), [-1, 0, 1])


def test_summary_matches_its_definition():
    stars, times = [5.0, 2.0, 3.5], [DAY, 2 * DAY, 9 * DAY]
    scaled = (np.array(stars) - 2.75) / 2.25
    got = user_features.summary(history(stars, times), tf.constant([12 * DAY], tf.int64))[0]
    expected = [math.log(4), scaled.mean(), scaled.std(), math.log1p(8), math.log1p(3)]
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("now", [0, 10])
def test_an_empty_history_is_all_zeros(now):
    got = user_features.summary(history([], []), tf.constant([now], tf.int64))
    np.testing.assert_array_equal(got, np.zeros((1, user_features.NUM_FEATURES)))


def test_unknown_times_and_a_clock_behind_the_last_event_do_no_harm():
    got = user_features.summary(history([4.0, 4.0], [0, 5 * DAY]), tf.constant([DAY], tf.int64))[0]
    np.testing.assert_allclose(got[3:], [0.0, 0.0])


def test_genre_taste_is_a_share_weighted_by_stars():
    genres = tf.constant([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]])
    taste = user_features.genre_taste(history([5.0, 0.5, 2.75], [1, 2, 3]), genres)[0]
    # Weights 2, 0 and 1: genre 0 has 2 + 1, genre 1 has 0 + 1.
    np.testing.assert_allclose(taste, [3 / 4, 1 / 4, 0], rtol=1e-6)
    empty = user_features.genre_taste(history([], []), genres)
    np.testing.assert_array_equal(empty, np.zeros((1, 3)))


def test_calendar_is_a_bump_at_the_place_between_first_and_last():
    last = tf.constant(11 * DAY + 1000, tf.int64)
    first = tf.constant(1000, tf.int64)

    def calendar(now, times):
        return user_features.calendar(
            history([4.0] * len(times), times), tf.constant([now], tf.int64), first, last
        )

    expected = np.exp(-np.square(3 - np.arange(user_features.NUM_DATES)))
    np.testing.assert_allclose(calendar(3 * DAY + 1000, [DAY])[0], expected, atol=1e-5)
    # 0 stands for the last event's time, an empty history has none; later is read as last.
    np.testing.assert_allclose(calendar(0, [DAY, 3 * DAY + 1000])[0], expected, atol=1e-5)
    np.testing.assert_array_equal(calendar(0, []), np.zeros((1, user_features.NUM_DATES)))
    np.testing.assert_array_equal(calendar(99 * DAY, []), calendar(11 * DAY + 1000, []))


def test_calendar_of_a_log_without_times_is_all_zeros():
    zero = tf.constant(0, tf.int64)
    got = user_features.calendar(history([4.0], [0]), tf.constant([5 * DAY], tf.int64), zero, zero)
    np.testing.assert_array_equal(got, np.zeros((1, user_features.NUM_DATES)))
