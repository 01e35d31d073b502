"""Nothing computed for a split may look past its cut."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contract
from components.example_gen.records.write import encode

ITEMS = tuple(str(i) for i in range(1, 30))


def make_events(seed: int) -> tuple[list[list], list[tuple]]:
    """Ratings [user, item, stars, seconds] in time order within users, and tags all along them."""
    rng = random.Random(seed)
    ratings, tags = [], []
    for user in ("1", "2", "30"):
        time = 1000
        for _ in range(rng.randint(3, 45)):
            time += rng.randint(0, 5)
            ratings.append([user, rng.choice(ITEMS[:20]), rng.randint(1, 10) / 2, time])
            if rng.random() < 0.3:
                tags.append((user, rng.choice(ITEMS), rng.choice(["Fun", "Dark", "Slow"]), time))
    return ratings, tags


@pytest.fixture(scope="session")
def records(make_records):
    """(ratings, tags) -> serialized records by split and of the items; equal tables give equal bytes."""

    def make(ratings, tags) -> dict[str, list[bytes]]:
        made = make_records(ratings, tags, ITEMS)
        return {
            **{split: encode(table) for split, table in made.splits.items()},
            "items": encode(made.items),
        }

    return make


def rewrite_future(ratings, blocks: int, seed: int) -> list[list]:
    """Other items, ratings and later times in the last `blocks` blocks of every user."""
    rng = random.Random(seed)
    result = []
    for user in dict.fromkeys(row[0] for row in ratings):
        events = [list(row) for row in ratings if row[0] == user]
        n = len(events)
        first = n - blocks * max(1, n // 10)
        later = rng.randint(1, 1000)
        for event in events[first:]:
            event[1] = rng.choice(ITEMS)
            event[2] = rng.randint(1, 10) / 2
            event[3] += later
        result += events
    return result


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_train_eval_and_items_do_not_depend_on_test_events(records, seed, other):
    ratings, tags = make_events(seed)
    before, after = records(ratings, tags), records(rewrite_future(ratings, 1, other), tags)
    for name in (contract.TRAIN, contract.EVAL, "items"):
        assert before[name] == after[name]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_train_and_items_do_not_depend_on_eval_and_test_events(records, seed, other):
    ratings, tags = make_events(seed)
    before, after = records(ratings, tags), records(rewrite_future(ratings, 2, other), tags)
    for name in (contract.TRAIN, "items"):
        assert before[name] == after[name]


def test_the_rewrite_is_seen_where_it_may_be(records):
    ratings, tags = make_events(1)
    before, after = records(ratings, tags), records(rewrite_future(ratings, 1, 2), tags)
    assert before[contract.TEST] != after[contract.TEST]


@pytest.mark.parametrize(("time", "known"), [(10, ["fun"]), (11, [])])
def test_a_tag_counts_up_to_its_authors_last_train_rating(records, time, known):
    """The last train rating of this user is at 10; 20 and 30 are its eval and test events."""
    ratings = [["1", "1", 4.0, 5], ["1", "2", 4.0, 10], ["1", "3", 4.0, 20], ["1", "4", 4.0, 30]]
    tags = [("1", "1", "Fun", time), ("nobody", "1", "Alien", 0)]
    assert (b"fun" in records(ratings, tags)["items"][0]) == bool(known)
    assert b"alien" not in records(ratings, tags)["items"][0]


def test_the_order_of_the_file_does_not_matter_between_users(records):
    ratings, tags = make_events(3)
    shuffled = sorted(ratings, key=lambda row: row[3])  # stable: ties of one user keep their order
    assert records(ratings, tags) == records(shuffled, tags)
