from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import contract
from serving.app.link.carried import KnownEvent, KnownUser, read


@pytest.mark.parametrize("implicit", [False, True])
def test_users_are_read_with_ratings_or_with_weights(implicit):
    cells = {
        contract.USER_ID: [b"7"],
        contract.HISTORY_ITEM_IDS: [[b"a", b"b"]],
        contract.of_feedback(contract.HISTORY_RATINGS, implicit): [[0.5, 1.0]],
        contract.HISTORY_TIMESTAMPS: [[1, 2]],
        contract.TARGET_ITEM_IDS: [[b"c"]],
        contract.of_feedback(contract.TARGET_RATINGS, implicit): [[0.25]],
        contract.TARGET_TIMESTAMPS: [[3]],
    }
    file = io.BytesIO()
    pq.write_table(pa.table(cells), file)
    history = [KnownEvent("a", 0.5, 1), KnownEvent("b", 1.0, 2)]
    assert read(None, None, file.getvalue()).users == {
        "7": KnownUser("7", history, [KnownEvent("c", 0.25, 3)])
    }
