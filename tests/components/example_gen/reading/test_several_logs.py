"""Several logs over the items of the first: as if their rows were in one, whatever each one's layout."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.example_gen.errors import DataError
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams

SECONDS = pa.int64()
OWN = {"columns": {"user": "u", "item": "i", "time": "t"}}


def export(path, rows, times=SECONDS) -> str:
    """Rows of (user, item, event, rating, time) as an application exports them."""
    kinds = {
        "user": pa.string(),
        "item": pa.string(),
        "event": pa.string(),
        "rating": pa.float32(),
        "time": times,
    }
    columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
    pq.write_table(
        pa.table(
            {
                name: pa.array(list(cells), kind)
                for (name, kind), cells in zip(kinds.items(), columns, strict=True)
            }
        ),
        path,
    )
    return str(path)


def test_events_of_an_application_continue_the_timelines_of_movielens(folder, tmp_path, read):
    base = folder()
    alone = read(base)
    rows = [
        ("2", "20", "rating", 4.5, 700),
        ("new", "10", "rating", 3.0, 800),
        ("1", "10", "view", None, 900),
        ("new", "99", "rating", 3.0, 900),
    ]
    path = export(tmp_path / "events.parquet", rows)
    found = read(f"{base}\n{path}", max_unknown_share=1)
    assert found.ratings == sorted([*alone.ratings, ("2", "20", 4.5, 700), ("new", "10", 3.0, 800)])
    assert found.left_out == {"unrated": 1}
    assert [(row["file"], row["line"], row["kind"]) for row in found.rows_bad] == [
        ("events.parquet", 4, "unknown item")
    ]
    assert found.layout == "movielens-csv: ratings.csv, events.parquet, movies.csv, tags.csv"


@pytest.mark.parametrize("times", [pa.int64(), pa.timestamp("us", "UTC")])
def test_events_have_the_weights_of_the_config(tmp_path, read, times):
    (tmp_path / "log.csv").write_text("u,i,kind,t\n1,a,view,5\n1,b,buy,6\n")
    at = (
        [7, 8, 9]
        if times == pa.int64()
        else [datetime.datetime.fromtimestamp(t, datetime.UTC) for t in (7, 8, 9)]
    )
    rows = [("1", "c", "buy", None, at[0]), ("1", "a", "buy", None, at[1]), ("2", "a", "hide", None, at[2])]
    path = export(tmp_path / "events.parquet", rows, times)
    params = {
        "columns": {**OWN["columns"], "event": "kind"},
        "event_weights": {"view": 1, "buy": 2},
        "repeated": "strongest",
    }
    found = read(f"{tmp_path / 'log.csv'}\n{path}", **params)
    weights = [(item, weight, time) for _, item, weight, time in found.ratings]
    assert weights == [("b", 1, 6), ("c", 1, 7), ("a", 1, 8)]
    assert found.left_out == {"rated again (strongest kept)": 1, "of an event without a weight": 1}


def test_an_event_beside_numbers_counts_as_one(tmp_path, read):
    (tmp_path / "log.csv").write_text("u,i,n,t\n1,a,4,5\n1,b,1,6\n")
    path = export(tmp_path / "events.parquet", [("1", "c", "play", None, 7)])
    columns = {**OWN["columns"], "weight": "n"}
    found = read(f"{tmp_path / 'log.csv'}\n{path}", columns=columns, weight_transform="linear")
    assert [row[2] for row in found.ratings] == [1, 0.25, 0.25]


def test_logs_in_two_formats_are_one(tmp_path, read):
    (tmp_path / "old.csv").write_text("u,i,t\n1,a,5\n2,b,6\n")
    (tmp_path / "all.csv").write_text("u,i,t\n1,a,5\n2,b,6\n1,c,7\n")
    pq.write_table(pa.table({"u": ["1"], "i": ["c"], "t": [7]}), tmp_path / "new.parquet")
    both = read(f"{tmp_path / 'old.csv'}\n{tmp_path / 'new.parquet'}", **OWN)
    assert both.ratings == read(tmp_path / "all.csv", **OWN).ratings


def test_without_times_later_logs_come_later(tmp_path, read):
    for name, rows in (("b.csv", "1,x\n1,y\n"), ("a.csv", "1,z\n")):
        (tmp_path / name).write_text(f"u,i\n{rows}")
    found = read(f"{tmp_path / 'b.csv'}\n{tmp_path / 'a.csv'}", columns={"user": "u", "item": "i"})
    assert [row[1] for row in found.ratings] == ["x", "y", "z"]


def test_no_events_yet_are_no_error_and_new_ones_change_the_fingerprint(tmp_path, read):
    (tmp_path / "log.csv").write_text("u,i,t\n1,a,5\n")
    path = export(tmp_path / "events.parquet", [])
    both = f"{tmp_path / 'log.csv'}\n{path}"
    assert len(read(both, **OWN).ratings) == 1
    before = fingerprint(both, ExampleGenParams(**OWN))
    export(tmp_path / "events.parquet", [("1", "a", "view", None, 7)])
    assert fingerprint(both, ExampleGenParams(**OWN)) != before


def test_what_does_not_fit_together_is_named(tmp_path, read):
    (tmp_path / "log.csv").write_text("u,i,t\n1,a,5\n")
    (tmp_path / "pairs.txt").write_text("1 a\n2 b\n")
    with pytest.raises(DataError, match=r"absent is not a file or folder"):
        read(f"{tmp_path / 'log.csv'}\n{tmp_path / 'absent'}", **OWN)
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,10,4,5\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n10,A,B\n")
    with pytest.raises(DataError, match=r"pairs\.txt: has no rating, expected one as ratings\.csv has it"):
        read(f"{tmp_path / 'ratings.csv'}\n{tmp_path / 'pairs.txt'}")
