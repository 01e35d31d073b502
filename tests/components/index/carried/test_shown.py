"""Histograms beside a count in plain Python; shown users are those of the test split."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

import contract
from components.index.carried.rating_histograms import rating_histograms
from components.index.carried.shown_users import shown_users


def _timelines(users: int) -> pa.Table:
    rows = [
        {
            contract.USER_ID: f"u{user}".encode(),
            contract.HISTORY_ITEM_IDS: [f"{(user * step) % 7}".encode() for step in range(1, 6)],
            contract.HISTORY_RATINGS: [0.5 + (user + step) % 10 / 2 for step in range(1, 6)],
            contract.HISTORY_TIMESTAMPS: list(range(5)),
            contract.TARGET_ITEM_IDS: [b"9"],
            contract.TARGET_RATINGS: [4.0],
            contract.TARGET_TIMESTAMPS: [9],
        }
        for user in range(users)
    ]
    return pa.Table.from_pylist(rows)


def test_every_rating_is_counted_once():
    train = _timelines(40)
    plain = Counter(
        (item, rating)
        for row in train.to_pylist()
        for item, rating in zip(row[contract.HISTORY_ITEM_IDS], row[contract.HISTORY_RATINGS], strict=True)
    )
    rows = rating_histograms(train).to_pylist()
    counted = [
        ((row[contract.ITEM_ID], row[contract.HISTOGRAM_VALUE]), row[contract.HISTOGRAM_COUNT])
        for row in rows
    ]
    assert dict(counted) == plain
    assert [key for key, _ in counted] == sorted(plain)


def test_a_rating_between_half_stars_counts_to_the_nearest():
    train = _timelines(1).set_column(2, contract.HISTORY_RATINGS, pa.array([[3.2, 3.3, 4.9, 0.7, 1.0]]))
    values = set(rating_histograms(train)[contract.HISTOGRAM_VALUE].to_pylist())
    assert values == {3.0, 3.5, 5.0, 0.5, 1.0}


def test_shown_users_are_spread_and_whole():
    test = _timelines(40)
    shown = shown_users({contract.TEST: test}, 4)
    assert shown[contract.USER_ID].to_pylist() == [b"u0", b"u13", b"u26", b"u39"]
    assert shown.to_pylist()[1] == {name: test.to_pylist()[13][name] for name in shown.column_names}
    assert shown_users({contract.TEST: test}, 100).num_rows == 40
    weighted = test.rename_columns([contract.of_feedback(name, implicit=True) for name in test.column_names])
    assert shown_users({contract.TEST: weighted}, 4).column_names == weighted.column_names
    assert shown_users({}, 4).num_rows == shown_users({contract.TEST: test}, 0).num_rows == 0
