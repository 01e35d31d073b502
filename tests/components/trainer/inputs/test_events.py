from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from support.training.toy_timelines import IDS, event, timelines

from components.model.closed_form import user_items
from components.trainer.inputs import events


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(event, max_size=7), min_size=1, max_size=4), st.integers(1, 4))
def test_pairs_are_every_prefix_and_its_next_event(histories, width):
    flat = events.history_events(timelines(histories), IDS)
    expected = [
        (history[max(0, i - width) : i], history[i]) for history in histories for i in range(1, len(history))
    ]
    positions = events.PairPositions(flat)
    assert len(positions) == len(expected)
    if not expected:
        return
    pairs = events.Windows(flat, width).pairs(tf.constant(positions[:]))
    for i, (prefix, following) in enumerate(expected):
        mask = pairs.mask[i].numpy()
        got = SimpleNamespace(rows=pairs.rows[i].numpy()[mask], ratings=pairs.ratings[i].numpy()[mask])
        assert [IDS[row].decode() for row in got.rows] == [item for item, _, _ in prefix]
        assert list(got.ratings) == [rating for _, rating, _ in prefix]
        assert list(pairs.timestamps[i].numpy()[mask]) == [time for _, _, time in prefix]
        target = (IDS[int(pairs.target[i])].decode(), float(pairs.target_rating[i]), int(pairs.now[i]))
        assert target == following


def test_a_pass_takes_every_pair_once_in_an_order_of_its_seed():
    flat = events.history_events(timelines([[("a", 3.0, t) for t in range(1, 42)]]), IDS)
    positions = events.PairPositions(flat)

    def order(seed, *part):
        dataset = events.training_batches(events.Windows(flat, 2), positions, 8, seed, *part)
        return [batch.now.numpy().tolist() for batch in dataset]

    whole = order(1)
    assert order(1) == whole != order(2)
    times = np.concatenate(whole).tolist()
    assert sorted(times) == list(range(2, 42)) != times
    assert order(1, 2, 4) == whole[2:4]
    assert int(events.training_batches(events.Windows(flat, 2), positions, 8, 1).cardinality()) == len(whole)


def test_the_end_of_a_pass_waits_for_no_tuner():
    """It sleeps for seconds to a minute, and an epoch took as much longer."""
    flat = events.history_events(timelines([[("a", 3.0, t) for t in range(1, 42)]]), IDS)
    windows, positions = events.Windows(flat, 2), events.PairPositions(flat)
    pairs = events.training_batches(windows, positions, 8, 1)
    sequences = events.sequence_batches(windows, events.window_ends(flat, 2), positions, (4, 8), 1)
    assert [dataset.options().autotune.enabled for dataset in (pairs, sequences)] == [False, False]


def test_neighbours_in_the_log_are_no_neighbours_in_a_batch():
    total, seed = 1_000_000, 5
    drawn = events._shuffled(tf.constant(4096, tf.int64), 1024, total, seed).numpy()
    # Even over the log, as far as chance goes, and without a common step from one to the next.
    assert 30 < (np.bincount(drawn * 64 // total, minlength=64) - 16.0).__pow__(2).sum() / 16 < 110
    assert len(np.unique(np.diff(drawn))) > 1000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_pair_positions_are_all_but_the_first_of_each_record(lengths):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    log = events.Events(*(np.zeros(offsets[-1], t) for t in (np.int32, np.float32, np.int64)), offsets)
    expected = [i for i in range(offsets[-1]) if i not in set(offsets[:-1])]
    found = events.PairPositions(log)
    assert len(found) == len(expected)
    assert found[:].tolist() == expected
    assert found[::2].tolist() == expected[::2]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(0, 40), st.integers(0, 3))
def test_some_records_are_whole_and_no_more_than_asked(lengths, at_most, seed):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    every = [np.arange(offsets[-1], dtype=t) for t in (np.int32, np.float32, np.int64)]
    log = events.Events(*every, offsets, np.arange(len(lengths), dtype=np.int32))
    some = user_items.some_records(log, at_most, seed)
    assert len(some.rows) <= at_most or some is log
    assert (some is log) == (offsets[-1] <= at_most)
    for i, record in enumerate(some.profiles):
        span, own = slice(*offsets[record : record + 2]), slice(*some.offsets[i : i + 2])
        for name in ("rows", "ratings", "timestamps"):
            np.testing.assert_array_equal(getattr(some, name)[own], getattr(log, name)[span])
    again = user_items.some_records(log, at_most, seed)
    np.testing.assert_array_equal(again.rows, some.rows)


def test_an_event_of_an_unknown_item_is_named():
    with pytest.raises(ValueError, match=r"history_item_ids holds item 'z', which is not in the items"):
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
    np.testing.assert_array_equal(sorted(asked), events.PairPositions(log)[:])


@pytest.mark.parametrize(
    ("windows", "fewest", "expected"), [(9, 1, [4, 4, 1]), (9, 2, [4, 4]), (10, 2, [4, 4, 2]), (3, 2, [3])]
)
def test_a_last_batch_that_workers_cannot_share_is_left_out(windows, fewest, expected):
    log = events.Events(
        *(np.arange(2 * windows, dtype=t) for t in (np.int32, np.float32, np.int64)),
        np.arange(0, 2 * windows + 1, 2),
    )
    ends, positions = events.window_ends(log, 2), events.PairPositions(log)
    batches = events.sequence_batches(events.Windows(log, 2), ends, positions, (4, 2), 1, fewest)
    assert [len(sequences.target) for sequences, _ in batches] == expected
