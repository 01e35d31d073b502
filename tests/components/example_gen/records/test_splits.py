"""The rules of splitting, each against plain Python, and what they may not look at."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import contract
from components.example_gen import accounts
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.sorting import gather
from components.example_gen.sorting.totals import totals

DAY = 86_400
DATES = {"split": "global_time", "eval_from": "1970-01-03", "test_from": "1970-01-05"}
ITEMS = tuple(str(item) for item in range(1, 40))


def make_ratings(seed: int, users: int = 6) -> list[tuple]:
    """(user, item, stars, seconds) over eight days, in no order."""
    rng = random.Random(seed)
    rows = []
    for user in range(users):
        for item in rng.sample(ITEMS, rng.randint(1, 30)):
            rows.append((str(user), item, rng.randint(1, 10) / 2, rng.randint(0, 8 * DAY)))
    rng.shuffle(rows)
    return rows


def by_split(made) -> dict[str, dict[str, tuple[list, list]]]:
    """split -> user -> (times of the history, times of the targets)."""
    return {
        split: {
            row["user_id"]: (row["history_timestamps"], row["target_timestamps"]) for row in table.to_pylist()
        }
        for split, table in made.splits.items()
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_global_time_cuts_everybody_at_the_same_dates(make_records, seed):
    ratings = make_ratings(seed)
    found = by_split(make_records(ratings, [], ITEMS, **DATES))
    times = {user: sorted(t for u, _, _, t in ratings if u == user) for user in {row[0] for row in ratings}}
    expected = {split: {} for split in contract.SPLITS}
    for user, all_ in times.items():
        train, eval_, test = (
            [t for t in all_ if low <= t < high]
            for low, high in ((0, 2 * DAY), (2 * DAY, 4 * DAY), (4 * DAY, 99 * DAY))
        )
        if train:
            expected[contract.TRAIN][user] = (train, [])
        if train and eval_:
            expected[contract.EVAL][user] = (train, eval_)
        if (train or eval_) and test:
            expected[contract.TEST][user] = (train + eval_, test)
    assert found == expected


def test_an_event_at_a_date_is_after_it(make_records):
    times = [2 * DAY - 1, 2 * DAY, 4 * DAY - 1, 4 * DAY]
    found = by_split(make_records([("1", ITEMS[i], 3.0, t) for i, t in enumerate(times)], [], ITEMS, **DATES))
    assert found == {
        contract.TRAIN: {"1": (times[:1], [])},
        contract.EVAL: {"1": (times[:1], times[1:3])},
        contract.TEST: {"1": (times[:3], times[3:])},
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_leave_last_out_holds_out_one_event_each(make_records, seed):
    ratings = make_ratings(seed)
    found = by_split(make_records(ratings, [], ITEMS, split="leave_last_out"))
    for user in {row[0] for row in ratings}:
        times = sorted(t for u, _, _, t in ratings if u == user)
        if len(times) < 3:
            assert found[contract.TRAIN][user] == (times, [])
            assert user not in found[contract.EVAL]
            assert user not in found[contract.TEST]
        else:
            assert found[contract.TRAIN][user] == (times[:-2], [])
            assert found[contract.EVAL][user] == (times[:-2], times[-2:-1])
            assert found[contract.TEST][user] == (times[:-1], times[-1:])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_random_draws_a_tenth_of_each_user_and_keeps_time_order(make_records, seed):
    ratings = make_ratings(seed)
    made = make_records(ratings, [], ITEMS, split="random")
    for user in {row[0] for row in ratings}:
        events = sorted((t, m) for u, m, _, t in ratings if u == user)
        n = len(events)
        t = max(1, n // 10) if n >= 3 else 0
        rows = {
            split: next((row for row in table.to_pylist() if row["user_id"] == user), None)
            for split, table in made.splits.items()
        }
        train = rows[contract.TRAIN]
        assert len(train["history_item_ids"]) == n - 2 * t
        if not t:
            assert rows[contract.EVAL] is rows[contract.TEST] is None
            continue
        held_out = [rows[split]["target_item_ids"] for split in (contract.EVAL, contract.TEST)]
        assert [len(ids) for ids in held_out] == [t, t]
        assert sorted(train["history_item_ids"] + held_out[0] + held_out[1]) == sorted(m for _, m in events)
        assert rows[contract.EVAL]["history_item_ids"] == train["history_item_ids"]
        assert sorted(rows[contract.TEST]["history_item_ids"]) == sorted(
            train["history_item_ids"] + held_out[0]
        )
        for row in rows.values():
            assert row["history_timestamps"] == sorted(row["history_timestamps"])


def test_random_depends_on_the_seed_and_on_nobody_else(make_records):
    ratings = [(str(user), item, 3.0, i) for user in range(20) for i, item in enumerate(ITEMS)]
    draws = {
        name: make_records(rows, [], ITEMS, split="random", **knobs).splits[contract.TEST].to_pylist()
        for name, rows, knobs in (
            ("all", ratings, {}),
            ("small buckets", ratings, {"buffer_rows": 1000}),
            ("without one user", [row for row in ratings if row[0] != "3"], {}),
            ("other seed", ratings, {"split_seed": 43}),
        )
    }
    assert draws["all"] == draws["small buckets"]
    assert [row for row in draws["all"] if row["user_id"] != "3"] == draws["without one user"]
    assert draws["all"] != draws["other seed"]
    # Drawn evenly: 60 of 780 events, over the whole of the histories.
    positions = [ITEMS.index(item) for row in draws["all"] for item in row["target_item_ids"]]
    assert len(positions) == 60
    assert 14 < np.mean(positions) < 24
    assert len(set(map(tuple, (row["target_item_ids"] for row in draws["all"])))) > 15


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_global_time_looks_at_nothing_after_its_dates(make_records, seed, other):
    """Other items and stars after the test date: train, eval and the items stay."""
    rng = random.Random(other)
    ratings = make_ratings(seed)
    changed = [
        (u, rng.choice(ITEMS), rng.randint(1, 10) / 2, t + rng.randint(0, 99))
        if t >= 4 * DAY
        else (u, m, r, t)
        for u, m, r, t in ratings
    ]
    before, after = (make_records(rows, [], ITEMS, **DATES) for rows in (ratings, changed))
    for split in (contract.TRAIN, contract.EVAL):
        assert before.splits[split].to_pylist() == after.splits[split].to_pylist()
    assert before.items.to_pylist() == after.items.to_pylist()


def test_events_without_a_history_are_accounted_for(folder, tmp_path):
    """User 1 is in all splits; 2 comes late, 3 between the dates and after, 4 between them only."""
    days = {"1": (0, 3, 5), "2": (5, 6), "3": (3, 5), "4": (3,)}
    rows = [(user, 10 + i, day * DAY) for user, all_ in days.items() for i, day in enumerate(all_)]
    path = folder(
        ratings="userId,movieId,rating,timestamp\n" + "".join(f"{u},{m},4.0,{t}\n" for u, m, t in rows),
        items="movieId,title,genres\n10,a,b\n11,a,b\n12,a,b\n",
        tags=None,
    )
    knobs = ExampleGenParams(**DATES)
    (tmp_path / "scratch").mkdir()
    with Quarantine() as bad:
        data = gather.gather(layouts.detect(path, knobs), knobs, bad, tmp_path / "scratch")
    rows_ = accounts.account(data, totals(data.log, knobs), bad, knobs).tables["ratings"]
    assert (rows_.rows_in, rows_.used, rows_.left_out) == (8, 5, {accounts.NO_HISTORY: 3})
    assert str(rows_) == f"8 rows = 5 used + 0 set aside + 3 left out ({accounts.NO_HISTORY})"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"split": "global_time"}, "needs both eval_from and test_from"),
        ({**DATES, "eval_from": "1970-01-06"}, "must be before test_from"),
        ({"start": "1970-01-02", "end": "1970-01-02"}, "must be before end"),
        ({"start": "yesterday"}, "must be a date such as 2018-09-26"),
        ({"columns": {"user": "u"}}, "columns must name a column for item"),
        (
            {"columns": {"user": "u", "item": "i", "stars": "r"}},
            "columns has the key 'stars'; expected some of user",
        ),
        ({"items": "x.csv"}, "items is given without item_columns"),
        ({"rating_scale": (5, 1)}, "expected the lower number first"),
    ],
)
def test_knobs_that_do_not_fit_are_explained(params, message):
    with pytest.raises(ValidationError, match=message):
        ExampleGenParams(**params)
