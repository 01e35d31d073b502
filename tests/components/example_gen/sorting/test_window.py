"""`example_gen.window`: what it keeps, beside pandas, and what it says where it cannot be."""

import json

import numpy as np
import pandas as pd
import pytest

from components.example_gen import dates
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams

DAY_S = 86_400
NEWEST = 1_537_799_250  # 2018-09-24 14:27:30
OWN = {"columns": {"user": "user", "item": "item", "weight": "plays", "time": "at"}}


def drawn(seed: int, rows: int = 400) -> pd.DataFrame:
    """Plays over 100 days in no order, the last row not the newest, no pair twice."""
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(30 * 25)[:rows]
    at = NEWEST - rng.integers(0, 100 * DAY_S, rows)
    at[rows // 3] = NEWEST
    plays = rng.integers(1, 9, rows)
    plays[np.argmin(at)] = 1_000  # the largest is not in the window
    return pd.DataFrame({"user": pairs % 30, "item": pairs // 30, "plays": plays, "at": at})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("buffer_rows", [1_000, 4_000_000])
@pytest.mark.parametrize(
    ("window", "start"),
    [
        (30, NEWEST - 30 * DAY_S),
        ("2w", NEWEST - 14 * DAY_S),
        ("36h", NEWEST - 36 * 3_600),
        ("2018-08-01", int(pd.Timestamp("2018-08-01", tz="UTC").timestamp())),
        ("2018-08-01T12:00+02:00", int(pd.Timestamp("2018-08-01T10:00", tz="UTC").timestamp())),
        (36_500, 0),
    ],
)
def test_the_window_equals_pandas(tmp_path, read, seed, buffer_rows, window, start):
    log = drawn(seed)
    log.to_csv(tmp_path / "log.csv", index=False)
    found = read(tmp_path, window=window, weight_transform="linear", buffer_rows=buffer_rows, **OWN)
    kept = log[log["at"] >= start]
    wanted = kept.assign(plays=kept["plays"] / kept["plays"].max()).sort_values(["user", "at"])
    assert [(int(u), int(i), t) for u, i, _, t in found.ratings] == [
        tuple(map(int, row)) for row in wanted[["user", "item", "at"]].to_numpy()
    ]
    assert [row[2] for row in found.ratings] == pytest.approx(wanted["plays"].tolist(), rel=1e-6)
    gone = len(log) - len(kept)
    reason = f"older than window {dates.window(str(window))} (newest event 2018-09-24 14:27 UTC)"
    assert found.left_out == ({reason: gone} if gone else {})


def test_an_event_on_the_edge_stays(folder, read):
    rows = "".join(f"{user},10,4.0,{NEWEST - age}\n" for user, age in enumerate((DAY_S + 1, DAY_S, 0)))
    found = read(folder(ratings="userId,movieId,rating,timestamp\n" + rows), window=1)
    assert [row[0] for row in found.ratings] == ["1", "2"]


def test_the_newest_event_is_one_that_is_read(folder, read):
    """Of rows that are bad or left out, none moves the window."""
    rows = f"1,10,9.0,{NEWEST + 50 * DAY_S}\n1,20,4.0,{NEWEST + 9 * DAY_S}\n1,30,4.0,{NEWEST}\n"
    found = read(
        folder(ratings="userId,movieId,rating,timestamp\n" + rows + f"2,10,3.0,{NEWEST - DAY_S}\n"),
        window="1d",
        end="2018-09-30",
        max_bad_share=1,
    )
    assert [row[:2] for row in found.ratings] == [("1", "30"), ("2", "10")]


@pytest.mark.parametrize("table", [True, False])
def test_items_stay_in_the_catalogue(tmp_path, read, table):
    """With a table of items and without: an item does not go for want of events."""
    (tmp_path / "log.csv").write_text(f"user,item,at\n1,a,100\n1,b,{NEWEST}\n2,c,{NEWEST}\n")
    own = {"columns": {"user": "user", "item": "item", "time": "at"}}
    if table:
        (tmp_path / "items.csv").write_text("id,title\na,A\nb,B\nc,C\nd,D\n")
        own |= {"items": "items.csv", "item_columns": {"item": "id", "title": "title"}}
    ids = [item["item_id"] for item in read(tmp_path, window=7, **own).items]
    assert ids == (["a", "b", "c", "d"] if table else ["a", "b", "c"])
    ids = [item["item_id"] for item in read(tmp_path, window=7, min_ratings_per_item=1, **own).items]
    assert ids == ["b", "c"]


def test_of_an_item_rated_again_the_first_in_the_window_can_stay(tmp_path, read):
    (tmp_path / "log.csv").write_text(
        f"user,item,stars,at\n1,a,1,100\n1,a,5,{NEWEST - 5}\n1,a,3,{NEWEST}\n2,a,1,200\n"
    )
    columns = {"user": "user", "item": "item", "rating": "stars", "time": "at"}
    found = read(tmp_path, window="1d", repeated="first", columns=columns)
    assert found.ratings == [("1", "a", 5.0, NEWEST - 5)]
    assert found.left_out == {
        "rated again (first kept)": 1,
        "older than window 1d (newest event 2018-09-24 14:27 UTC)": 2,
    }


def test_a_date_after_the_newest_event_leaves_nothing(folder, read):
    with pytest.raises(DataError, match="nothing is left of 4 rows: 0 bad, 4 older than window 1980-01-01"):
        read(folder(), window="1980-01-01")


@pytest.mark.parametrize("key", ["window", "start", "end"])
def test_a_log_without_times_has_no_window(tmp_path, read, key):
    (tmp_path / "pairs.txt").write_text("1 1\n1 2\n2 1\n")
    with pytest.raises(DataError, match=f"has no times, and example_gen.{key} is 2018-01-01"):
        read(tmp_path / "pairs.txt", **{key: "2018-01-01"})
    with pytest.raises(ValueError, match=f"{key} needs a column time"):
        ExampleGenParams(columns={"user": "user", "item": "item"}, **{key: "2018-01-01"})


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ("soon", "must be a number of days, a duration such as 90d, 12h or 8w, or a date such as 2018-09-26"),
        ("1.5", "must be a number of days"),
        (1.5, "must be a number of days"),
        ("2018-13-01", "must be a number of days"),
        ("0", "above 0 and at most 36,500 days"),
        (20180926, "a date is written 2018-09-26"),
        ("3m", "must end in one of h, d, w"),
        (-3, "must be a number of days"),
        (True, "true or false"),
    ],
)
def test_a_window_that_is_none(window, words):
    with pytest.raises(ValueError, match=words):
        ExampleGenParams(window=window)


def test_one_window_has_one_form():
    """So that the same window written otherwise is the same step in the cache."""
    assert {ExampleGenParams(window=given).window for given in (90, "90", "90d", " 90 D")} == {"90d"}
    assert json.loads(ExampleGenParams(window=7).to_json())["window"] == "7d"
