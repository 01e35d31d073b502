from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components import contract
from components.trainer import events

IDS = [b"a", b"b", b"c", b"d"]


def timelines(histories):
    types = (pa.large_string(), pa.float32(), pa.int64())
    columns = {
        name: pa.array([[event[i] for event in history] for history in histories], pa.large_list(types[i]))
        for i, name in enumerate(contract.HISTORY_FEATURES)
    }
    return pa.table(columns)


event = st.tuples(st.sampled_from("abcd"), st.sampled_from([0.5, 3.0, 5.0]), st.integers(1, 99))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(event, max_size=7), min_size=1, max_size=4), st.integers(1, 4))
def test_pairs_are_every_prefix_and_its_next_event(histories, width):
    flat = events.history_events(timelines(histories), IDS)
    expected = [
        (history[max(0, i - width) : i], history[i]) for history in histories for i in range(1, len(history))
    ]
    positions = events.pair_positions(flat)
    assert len(positions) == len(expected)
    if not expected:
        return
    pairs = events.Windows(flat, width).pairs(tf.constant(positions))
    for i, (prefix, following) in enumerate(expected):
        mask = pairs.mask[i].numpy()
        got = SimpleNamespace(rows=pairs.rows[i].numpy()[mask], ratings=pairs.ratings[i].numpy()[mask])
        assert [IDS[row].decode() for row in got.rows] == [movie for movie, _, _ in prefix]
        assert list(got.ratings) == [rating for _, rating, _ in prefix]
        assert list(pairs.timestamps[i].numpy()[mask]) == [time for _, _, time in prefix]
        target = (IDS[int(pairs.target[i])].decode(), float(pairs.target_rating[i]), int(pairs.now[i]))
        assert target == following


def test_a_batch_order_is_seeded_and_differs_by_epoch():
    flat = events.history_events(timelines([[("a", 3.0, t) for t in range(1, 40)]]), IDS)
    positions = events.pair_positions(flat)

    def order(seed):
        dataset = events.training_batches(events.Windows(flat, 2), positions, 8, seed)
        return [[batch.now.numpy().tolist() for batch in dataset] for _ in range(2)]

    first, again, other = order(1), order(1), order(2)
    assert first == again
    assert first != other
    assert first[0] != first[1]
    assert all(len(batch) == 8 for epoch in first for batch in epoch)


def test_an_event_of_an_unknown_movie_is_named():
    with pytest.raises(ValueError, match=r"history_movie_ids holds movie 'z', which is not in the movies"):
        events.history_events(timelines([[("a", 3.0, 1), ("z", 3.0, 2)]]), IDS)


def test_whole_histories_end_with_the_last_event():
    histories = [[("a", 1.0, 1), ("b", 2.0, 2), ("c", 3.0, 3)], [("d", 4.0, 4)]]
    flat = events.history_events(timelines(histories), IDS)
    now = tf.constant([7, 8], tf.int64)
    whole = events.Windows(flat, 2).whole(tf.constant(flat.offsets[:-1]), tf.constant(flat.offsets[1:]), now)
    np.testing.assert_array_equal(whole.now, now)
    np.testing.assert_array_equal(whole.rows, [[1, 2], [0, 3]])
    np.testing.assert_array_equal(whole.mask, [[True, True], [False, True]])


def test_windows_cover_every_next_event_once():
    lengths = [1, 0, 2, 7, 8, 9, 3]
    log = events.Events(
        *(np.arange(sum(lengths), dtype=t) for t in (np.int32, np.float32, np.int64)),
        np.concatenate([[0], np.cumsum(lengths)]),
    )
    size = 4
    ends = events.window_ends(log, size)
    batch = events.Windows(log, size).sequences(tf.constant(ends))
    asked = []
    for i, end in enumerate(ends):
        first = max(log.offsets[np.searchsorted(log.offsets, end, side="right") - 1], end - size + 1)
        expected = np.arange(first, end + 1)
        mask = batch.mask[i].numpy()
        np.testing.assert_array_equal(mask, np.arange(size) >= size - len(expected))
        np.testing.assert_array_equal(batch.rows[i].numpy()[mask], expected)
        for name in ("target", "target_rating", "now"):
            np.testing.assert_array_equal(getattr(batch, name)[i].numpy()[mask], expected + 1)
            assert not getattr(batch, name)[i].numpy()[~mask].any()
        asked += [*(expected + 1)]
    np.testing.assert_array_equal(sorted(asked), events.pair_positions(log))


@pytest.mark.parametrize(
    ("windows", "fewest", "expected"), [(9, 1, [4, 4, 1]), (9, 2, [4, 4]), (10, 2, [4, 4, 2]), (3, 2, [3])]
)
def test_a_last_batch_that_workers_cannot_share_is_left_out(windows, fewest, expected):
    log = events.Events(
        *(np.arange(2 * windows, dtype=t) for t in (np.int32, np.float32, np.int64)),
        np.arange(0, 2 * windows + 1, 2),
    )
    ends, positions = events.window_ends(log, 2), events.pair_positions(log)
    batches = events.sequence_batches(events.Windows(log, 2), ends, positions, (4, 2), 1, fewest)
    assert [len(sequences.target) for sequences, _ in batches] == expected
