"""A user's events from the records of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import contract
from components.example_gen.records.artifact import write_split
from components.example_gen.records.schemas import timelines_schema
from pipeline.ask import user_timeline


def test_an_event_of_a_log_without_ratings_counts_by_its_weight(tmp_path: Path) -> None:
    row = {
        contract.USER_ID: "u",
        contract.SLICE_HISTORY: "001-009",
        contract.SLICE_COLD: contract.WARM,
        contract.HISTORY_ITEM_IDS: ["a", "b"],
        contract.HISTORY_WEIGHTS: [0.25, 1.0],
        contract.HISTORY_TIMESTAMPS: [1, 2],
        contract.TARGET_ITEM_IDS: ["c"],
        contract.TARGET_WEIGHTS: [0.5],
        contract.TARGET_TIMESTAMPS: [3],
    }
    table = pa.Table.from_pylist([row], timelines_schema(implicit=True))
    write_split(str(tmp_path / "Split-test"), np.array([3]), lambda part: table[part], 10)
    [(user, found)] = user_timeline.some(str(tmp_path), contract.TEST, 5, 5)
    assert (user, found.history.item_ids, found.targets.item_ids) == ("u", ("a", "b"), ("c",))
    assert found.whole.ratings == pytest.approx((4.25, 5.0, 4.5))
