import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from support.training.toy_timelines import IDS, event, timelines

import contract
from components.trainer.inputs import event_files, events


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(event, max_size=5), max_size=5),
    st.lists(st.lists(event, max_size=5), max_size=5),
)
def test_batches_in_a_file_are_the_events_of_all_of_them(tmp_path_factory, first, second):
    folder = tmp_path_factory.mktemp("events")
    batches = [timelines(part) for part in (first, second) if part]
    (found,) = event_files.write(batches, IDS, [contract.HISTORY_FEATURES], folder)
    expected = events.history_events(timelines(first + second), IDS)
    for name in ("rows", "ratings", "timestamps", "offsets"):
        got, wanted = getattr(found, name), getattr(expected, name)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)


def test_windows_of_a_file_are_those_of_memory(tmp_path):
    log = timelines([[("a", 3.0, t) for t in range(1, 9)], [], [("b", 5.0, 3), ("c", 1.0, 4)]])
    (found,) = event_files.write([log], IDS, [contract.HISTORY_FEATURES], tmp_path)
    held = events.history_events(log, IDS)
    at = tf.constant(events.PairPositions(held)[:])
    for name, value in vars(events.Windows(held, 3).pairs(at)).items():
        np.testing.assert_array_equal(getattr(events.Windows(found, 3).pairs(at), name), value)


def test_a_folder_of_another_fit_is_not_written_over(tmp_path):
    (tmp_path / contract.HISTORY_FEATURES[0]).write_bytes(b"")
    with pytest.raises(FileExistsError):
        event_files.write([], IDS, [contract.HISTORY_FEATURES], tmp_path)
