"""Small timelines of four items."""

import pyarrow as pa
from hypothesis import strategies as st

import contract

IDS = [b"a", b"b", b"c", b"d"]


def timelines(histories):
    types = (pa.large_string(), pa.float32(), pa.int64())
    columns = {
        name: pa.array([[event[i] for event in history] for history in histories], pa.large_list(types[i]))
        for i, name in enumerate(contract.HISTORY_FEATURES)
    }
    return pa.table(columns)


event = st.tuples(st.sampled_from("abcd"), st.sampled_from([0.5, 3.0, 5.0]), st.integers(1, 99))
