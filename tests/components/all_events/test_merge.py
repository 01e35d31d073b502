"""All events joined, against loops over users."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contract
from components.all_events import merge
from components.example_gen.records import schemas

ITEMS = ("m1", "m2", "m3", "m4")
event = st.tuples(st.sampled_from(ITEMS[:3]), st.sampled_from([0.5, 3.0, 4.5]), st.integers(1, 10**10))
logs_in_time = st.lists(event, min_size=1, max_size=25).map(
    lambda log: sorted(log, key=lambda event: event[2])
)
users = st.dictionaries(st.text("abé", min_size=1, max_size=3), logs_in_time)


def record(user, history, targets, held_out):
    columns = {
        name: [event[i] for event in part]
        for part, names in ((history, contract.HISTORY_FEATURES), (targets, contract.TARGET_FEATURES))
        for i, name in enumerate(names)
    }
    slices = {contract.SLICE_HISTORY: "001-009", contract.SLICE_COLD: contract.WARM} if held_out else {}
    return {contract.USER_ID: user, contract.SLICE_HISTORY: "", contract.SLICE_COLD: "", **columns, **slices}


def cut(logs):
    """The three splits, by the rule that stands beside contract.SPLITS."""
    records = {split: [] for split in contract.SPLITS}
    for user, log in logs.items():
        n = len(log)
        t = max(1, n // 10) if n >= 3 else 0
        records[contract.TRAIN].append(record(user, log[: n - 2 * t], [], False))
        if t:
            records[contract.EVAL].append(record(user, log[: n - 2 * t], log[n - 2 * t : n - t], True))
            records[contract.TEST].append(record(user, log[: n - t], log[n - t :], True))
    return {split: pa.Table.from_pylist(rows, schemas.TIMELINES) for split, rows in records.items()}


def catalogue():
    return pa.Table.from_pylist(
        [
            {
                contract.ITEM_ID: item,
                contract.TITLE: f"Title {item}",
                contract.YEAR: 1990,
                contract.GENRES: ["Drama"],
                contract.TAGS: ["slow"],
                contract.RATING_COUNT: 77,
                contract.RATING_MEAN: 2.5,
            }
            for item in ITEMS
        ],
        schemas.ITEMS,
    )


@settings(max_examples=10, deadline=None)
@given(users)
def test_weights_stay_weights(logs):
    """As ratings do: the same numbers under the other names."""

    def weighted(table):
        return table.rename_columns([contract.of_feedback(n, implicit=True) for n in table.column_names])

    splits = cut(logs)
    merged = merge.timelines({split: weighted(table) for split, table in splits.items()})
    assert merged.equals(weighted(merge.timelines(splits)))
    assert merge.items(catalogue(), merged).equals(merge.items(catalogue(), merge.timelines(splits)))


@settings(max_examples=60, deadline=None)
@given(users)
def test_every_event_once_in_its_order(logs):
    merged = merge.timelines(cut(logs))
    assert merged.schema == schemas.TIMELINES
    found = {row[contract.USER_ID]: row for row in merged.to_pylist()}
    assert len(found) == merged.num_rows
    assert found == {user: record(user, log, [], False) for user, log in logs.items()}


@settings(max_examples=60, deadline=None)
@given(users)
def test_counts_and_means_are_of_all_ratings_and_the_rest_stays(logs):
    before = catalogue()
    after = merge.items(before, merge.timelines(cut(logs)))
    assert after.schema == schemas.ITEMS
    for old, new in zip(before.to_pylist(), after.to_pylist(), strict=True):
        stars = [stars for log in logs.values() for item, stars, _ in log if item == old[contract.ITEM_ID]]
        assert new.pop(contract.RATING_COUNT) == len(stars)
        assert new.pop(contract.RATING_MEAN) == pytest.approx(sum(stars) / len(stars) if stars else 0.0)
        assert new == {name: old[name] for name in new}


def test_targets_from_anywhere_in_time_take_their_place():
    log = [("m1", 3.0, 10), ("m2", 4.0, 20), ("m3", 5.0, 30), ("m4", 1.0, 40)]
    drawn = [record("a", [log[0], log[2], log[3]], [log[1]], True), record("b", [log[3]], log[:2], True)]
    splits = {split: schemas.TIMELINES.empty_table() for split in contract.SPLITS}
    merged = merge.timelines({**splits, contract.TEST: pa.Table.from_pylist(drawn, schemas.TIMELINES)})
    assert merged.to_pylist() == [record("a", log, [], False), record("b", [*log[:2], log[3]], [], False)]


def test_an_event_of_an_unknown_item_is_named():
    with pytest.raises(ValueError, match="hold item 'm9', which is not among the items"):
        merge.items(catalogue(), merge.timelines(cut({"a": [("m9", 3.0, 1)]})))
