"""Splits against the files themselves and against example_gen's own records."""

from __future__ import annotations

import csv
from collections import defaultdict

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

import contract
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from leaderboard import protocols
from leaderboard.split import Histories, is_confirmatory


def events_of(split, histories: Histories) -> set[tuple[str, str]]:
    """(user, item) of all events."""
    ids = split.catalogue.ids
    return {(split.user_ids[u], ids[row]) for u, row in zip(histories.owner, histories.rows, strict=True)}


def read(data) -> list[tuple[str, str, float, int]]:
    with (data / "ratings.csv").open() as file:
        return [
            (r["userId"], r["movieId"], float(r["rating"]), int(r["timestamp"])) for r in csv.DictReader(file)
        ]


def by_time(data) -> dict[str, list[str]]:
    """user -> items, oldest first, ties in the file's order."""
    found = defaultdict(list)
    for user, item, _, time in sorted(read(data), key=lambda row: row[3]):
        found[user].append((time, item))
    return {user: [item for _, item in sorted(rows, key=lambda row: row[0])] for user, rows in found.items()}


def test_user_time_is_the_contracts_split(data, protocol) -> None:
    split = protocol(protocols.USER_TIME).final
    train, test, known = set(), set(), set()
    for user, items in by_time(data).items():
        t = max(1, len(items) // 10)
        train |= {(user, item) for item in items[: -2 * t]}
        known |= {(user, item) for item in items[:-t]}
        test |= {(user, item) for item in items[-t:]}
    assert events_of(split, split.train) == train == events_of(split, split.eval.history)
    assert events_of(split, split.test.history) == known
    assert events_of(split, split.test.targets) == test
    counts = dict(
        zip(split.catalogue.ids, split.catalogue.table[contract.RATING_COUNT].to_pylist(), strict=True)
    )
    assert counts == {id_: sum(item == id_ for _, item in train) for id_ in split.catalogue.ids}


def test_tuning_never_sees_a_confirmatory_users_eval_events(data, protocol) -> None:
    split = protocol(protocols.USER_TIME).tuning
    confirmatory = np.array([is_confirmatory(id_) for id_ in split.user_ids])
    assert 0.1 < confirmatory.mean() < 0.3
    np.testing.assert_array_equal(split.confirmatory, confirmatory)
    assert (split.eval.targets.lengths[confirmatory] == 0).all()
    assert (split.eval.targets.lengths[~confirmatory] > 0).all()
    assert (split.test.targets.lengths > 0).all()
    assert split.without_test().test is None


def test_random_is_scikit_learns_split_of_the_file(data, protocol) -> None:
    found = protocol(protocols.RANDOM)
    train, test = train_test_split(read(data), test_size=0.2, random_state=42)
    assert events_of(found.final, found.final.test.targets) == {row[:2] for row in test}
    assert events_of(found.final, found.final.train) == {row[:2] for row in train}
    held_out = events_of(found.tuning, found.tuning.eval.targets)
    assert held_out | events_of(found.tuning, found.tuning.train) == {row[:2] for row in train}
    assert len(held_out) == len(train) // 10
    assert not found.final.confirmatory.any()


def test_global_time_cuts_everybody_at_two_dates(data, protocol) -> None:
    split = protocol(protocols.GLOBAL_TIME).final
    assert split.train.timestamps.max() < split.test.targets.timestamps.min()
    shares = [len(part.rows) / len(read(data)) for part in (split.train, split.test.targets)]
    np.testing.assert_allclose(shares, [0.8, 0.1], atol=0.01)
    dated = protocols.load(
        data,
        protocols.GLOBAL_TIME,
        ExampleGenParams(split="global_time", eval_from="2018-01-01", test_from="2020-01-01"),
    )
    assert dated.final.test.targets.timestamps.min() >= np.datetime64("2020-01-01", "s").astype(int)


def test_leave_last_out_of_a_plain_file_in_time_order(tmp_path) -> None:
    file = tmp_path / "events.txt"
    file.write_text("".join(f"{user} {item}\n" for user, item in [
        ("u", "b"), ("v", "a"), ("u", "c"), ("v", "c"), ("u", "a"), ("v", "b"), ("u", "d"), ("w", "a"),
    ]))  # fmt: skip
    split = protocols.load(file, protocols.LEAVE_LAST_OUT).final
    assert split.user_ids == ("u", "v", "w")
    assert split.catalogue.ids == ["a", "b", "c", "d"]
    rows = split.catalogue.ids.index
    assert split.train.rows.tolist() == [rows("b"), rows("c"), rows("a"), rows("a")]  # u, v, w
    assert split.test.history.take(np.array([0])).rows.tolist() == [rows("b"), rows("c"), rows("a")]
    assert split.test.targets.rows.tolist() == [rows("d"), rows("b")]
    assert set(split.train.ratings) == {contract.MAX_RATING}


def test_leave_last_out_ignores_stars(protocol) -> None:
    split = protocol(protocols.LEAVE_LAST_OUT).final
    assert (split.test.targets.lengths == 1).all()
    assert set(split.test.targets.ratings) == {contract.MAX_RATING}


def test_columns_of_ones_own_come_with_the_split(shop) -> None:
    path, params = shop
    split = protocols.load(path, protocols.USER_TIME, params).final
    assert split.features.implicit
    assert {"brand", "price", "description"} <= set(split.catalogue.table.column_names)
    people = {line[0]: line[1] for line in csv.reader((path / "customers.csv").open())}
    countries = zip(split.users[contract.USER_ID], split.users["user_country"], strict=True)
    assert split.users[contract.USER_ID].to_pylist() == list(split.user_ids)
    assert all(people[user.as_py()] == "".join(country.as_py()) for user, country in countries)


def test_what_is_measured_by_ratings_needs_some(shop) -> None:
    with pytest.raises(ValueError, match="random measures predicted ratings, and this log has none; for it"):
        protocols.load(shop[0], protocols.RANDOM, shop[1])


def test_errors_name_what_is_wrong(tmp_path, data) -> None:
    with pytest.raises(ValueError, match="expected one of user-time, global-time"):
        protocols.load(data, "weekly")
    with pytest.raises(DataError, match="not a file or folder"):
        protocols.load(tmp_path / "nothing", protocols.USER_TIME)
    (tmp_path / "short.txt").write_text("u a\nv b\n")
    with pytest.raises(ValueError, match="leaves no user with a test event"):
        protocols.load(tmp_path / "short.txt", protocols.LEAVE_LAST_OUT)
