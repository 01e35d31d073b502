import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.model import history


def naive_window(rows, ratings, known, size):
    """One record: distinct known events in order, the last `size`, right-aligned."""
    seen, kept = set(), []
    for row, rating, is_known in zip(rows, ratings, known, strict=True):
        if is_known and row not in seen:
            seen.add(row)
            kept.append((row, rating or history.UNSTARRED_RATING))
    kept = kept[-size:]
    return [(0, 0.0)] * (size - len(kept)) + kept


event = st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 3.0, 5.0]), st.booleans())


@settings(max_examples=60, deadline=None)
@given(st.lists(event, max_size=12), st.lists(event, max_size=12), st.integers(1, 6))
def test_window_keeps_the_last_distinct_known_events(first, second, size):
    width = max(len(first), len(second))
    # A pad is unknown, wherever it stands.
    records = [record + [(0, 0.0, False)] * (width - len(record)) for record in (first, second)]
    rows = np.array([[e[0] for e in r] for r in records], np.int32).reshape(2, width)
    ratings = np.array([[e[1] for e in r] for r in records], np.float32).reshape(2, width)
    known = np.array([[e[2] for e in r] for r in records], bool).reshape(2, width)
    times = rows.astype(np.int64) + 100

    result = history.window(*(tf.constant(x) for x in (rows, ratings, times, known)), size)

    for i in range(2):
        expected = naive_window(rows[i], ratings[i], known[i], size)
        mask = result.mask[i].numpy()
        assert mask.sum() == sum(rating > 0 for _, rating in expected)
        np.testing.assert_array_equal(result.rows[i], [row for row, _ in expected])
        np.testing.assert_allclose(result.ratings[i], [rating for _, rating in expected])
        np.testing.assert_array_equal(result.timestamps[i], np.where(mask, result.rows[i] + 100, 0))


def test_padding_with_the_first_element_changes_nothing():
    """TensorFlow Serving pads a short row by repeating its first element."""
    rows, ratings = [[4, 2, 3]], [[5.0, 1.0, 3.0]]

    def windowed(rows, ratings):
        known = tf.ones(np.shape(rows), tf.bool)
        times = tf.cast(tf.constant(rows), tf.int64)
        return history.window(tf.constant(rows, tf.int32), tf.constant(ratings), times, known, 4)

    plain = windowed(rows, ratings)
    padded = windowed([[*rows[0], 4, 4]], [[*ratings[0], 5.0, 5.0]])
    for a, b in zip(plain, padded, strict=True):
        np.testing.assert_array_equal(a, b)


def test_ages_count_events_from_the_newest():
    mask = tf.constant([[False, True, True, True]])
    zeros = tf.zeros([1, 4])
    ages = history.History(tf.cast(zeros, tf.int32), zeros, tf.cast(zeros, tf.int64), mask).ages
    np.testing.assert_array_equal(ages[0, 1:], [2.0, 1.0, 0.0])
