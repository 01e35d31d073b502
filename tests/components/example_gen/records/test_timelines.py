"""The cut against a plain Python reference."""

import collections
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contract
from components.example_gen.records import schemas
from components.example_gen.sorting.codes import id_order

CATALOGUE = ("7", "10", "9", "abc", "1000")


def sort_key(id_: str):
    return (0, int(id_), id_) if id_.isdigit() else (1, 0, id_)


def reference(ratings, tags):
    """The contract's split rule in plain Python: {split: records}, items."""
    by_user = collections.defaultdict(list)
    for event in ratings:
        by_user[event[0]].append(event[1:])
    users = sorted(by_user, key=sort_key)
    for user in users:
        by_user[user].sort(key=lambda event: event[2])  # stable

    train, later = {}, {}
    for user in users:
        events, n = by_user[user], len(by_user[user])
        t = max(1, n // 10) if n >= 3 else 0
        train[user] = events[: n - 2 * t]
        if t:
            later[user] = (events[n - 2 * t : n - t], events[n - t :])
    counts = collections.Counter(item for events in train.values() for item, _, _ in events)

    def record(user, split, history, targets):
        if split == contract.TRAIN:
            bucket = cold = ""
        else:
            bucket = next(name for top, name in contract.HISTORY_BUCKETS if len(history) <= (top or math.inf))
            cold = "cold" if any(r >= 4 and not counts[m] for m, r, _ in targets) else "warm"
        columns = [[e[i] for e in events] for events in (history, targets) for i in range(3)]
        return dict(zip(contract.TIMELINE_FEATURES, [user, *columns, bucket, cold], strict=True))

    splits = {
        contract.TRAIN: [record(u, contract.TRAIN, train[u], []) for u in users],
        contract.EVAL: [record(u, contract.EVAL, train[u], eval_) for u, (eval_, _) in later.items()],
        contract.TEST: [
            record(u, contract.TEST, train[u] + eval_, test) for u, (eval_, test) in later.items()
        ],
    }
    rows = []
    for item in sorted(CATALOGUE, key=sort_key):
        stars = [r for events in train.values() for m, r, _ in events if m == item]
        known = {
            tag.strip().lower()
            for user, tagged, tag, time in tags
            if tagged == item and user in train and time <= train[user][-1][2]
        }
        rows.append((item, sorted(known - {""}), len(stars), np.mean(stars) if stars else 0.0))
    return splits, rows


users = st.sampled_from(["1", "2", "10", "010", "b", "a"])
seconds = st.integers(0, 6)  # few values, so that there are ties
stars = st.integers(1, 10).map(lambda half: half / 2)
item_ids = st.sampled_from(CATALOGUE)
ratings_lists = st.lists(st.tuples(users, item_ids, stars, seconds), min_size=1, max_size=60)
tag_texts = st.sampled_from(["Fun", "fun", " fun ", "Sad", "", "éTÉ"])
tag_lists = st.lists(st.tuples(users, item_ids, tag_texts, seconds), max_size=15)


@settings(max_examples=150, deadline=None)
@given(ratings_lists, tag_lists)
def test_records_equal_the_reference(make_records, ratings, tags):
    made = make_records(ratings, tags, CATALOGUE)
    expected_splits, expected_items = reference(ratings, tags)

    for split in contract.SPLITS:
        table = made.splits[split]
        assert table.schema == schemas.TIMELINES
        assert table.to_pylist() == expected_splits[split]
        sizes = [len(row["history_ratings"]) + len(row["target_ratings"]) for row in expected_splits[split]]
        assert made.sizes[split] == sizes

    table = made.items
    assert table.schema == schemas.ITEMS
    got = [(*row.values(),) for row in table.select(["item_id", "tags", "rating_count"]).to_pylist()]
    assert got == [row[:3] for row in expected_items]
    np.testing.assert_allclose(table["rating_mean"].to_numpy(), [row[3] for row in expected_items], rtol=1e-6)


@pytest.mark.parametrize(
    ("n", "train", "block"),
    [(1, 1, 0), (2, 2, 0), (3, 1, 1), (9, 7, 1), (19, 17, 1), (20, 16, 2), (100, 80, 10)],
)
def test_block_sizes(make_records, n, train, block):
    made = make_records([("1", "7", 3.0, i) for i in range(n)], [], CATALOGUE)
    lengths = {
        split: [(len(row["history_ratings"]), len(row["target_ratings"])) for row in table.to_pylist()]
        for split, table in made.splits.items()
    }
    assert lengths == {
        contract.TRAIN: [(train, 0)],
        contract.EVAL: [(train, block)] if block else [],
        contract.TEST: [(train + block, block)] if block else [],
    }


@pytest.mark.parametrize(
    ("length", "bucket"),
    [(1, "001-009"), (9, "001-009"), (10, "010-029"), (299, "100-299"), (300, "300-"), (999, "300-")],
)
def test_history_buckets_include_their_upper_bound(make_records, length, bucket):
    n = next(n for n in range(3, 2000) if n - 2 * max(1, n // 10) == length)
    record = (
        make_records([("1", "7", 3.0, i) for i in range(n)], [], CATALOGUE)
        .splits[contract.EVAL]
        .to_pylist()[0]
    )
    assert (len(record["history_ratings"]), record["slice_history"]) == (length, bucket)


@pytest.mark.parametrize(
    ("stars", "cold"), [(3.5, contract.WARM), (contract.RELEVANT_RATING, contract.COLD), (5.0, contract.COLD)]
)
def test_only_a_relevant_unseen_target_is_cold(make_records, stars, cold):
    ratings = [("1", "7", 5.0, 1), ("1", "7", 5.0, 2), ("1", "9", stars, 3)]
    test = make_records(ratings, [], CATALOGUE).splits[contract.TEST]
    assert test["slice_cold"].to_pylist() == [cold]


def test_ids_are_ordered_by_value_whatever_their_length():
    longer, long = "1" + "0" * 24, "9" * 23
    ordered = ["0", "00", "9", "10", long, longer, "-1", "1.5", "a", "b"]
    shuffled = pa.array([ordered[i] for i in (9, 3, 2, 1, 0, 4, 5, 8, 6, 7)])
    assert shuffled.take(id_order(shuffled)).to_pylist() == ordered
