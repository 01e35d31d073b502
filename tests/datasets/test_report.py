"""The report on a data set, and what it says a run would do."""

import json

import pytest

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from datasets.report import check
from pipeline.terminal.data_report import text

HEADER = "userId,movieId,rating,timestamp\n"
DAY = 86_400


def report_on(path, **params):
    knobs = ExampleGenParams(**params)
    return check(layouts.detect(path, knobs), knobs)


def test_the_figures_are_those_of_the_log(folder):
    report = report_on(folder(), max_bad_share=0)
    assert (report.users, report.items, report.rated_items, report.events) == (2, 3, 3, 4)
    assert report.density == pytest.approx(4 / 6)
    assert (report.first_second, report.last_second) == (100, 300)
    assert report.ratings == {"0.5": 1, "3.5": 1, "4": 1, "5": 1}
    assert report.years == {"1970": 4}
    assert (report.per_user["min"], report.per_user["max"]) == (1, 3)
    assert (report.per_item["min"], report.per_item["median"], report.per_item["max"]) == (1, 1, 2)
    sizes = {name: (size.records, size.history, size.targets) for name, size in report.splits.items()}
    assert sizes == {"train": (2, 2, 0), "eval": (1, 1, 1), "test": (1, 2, 1)}
    assert report.stops == []
    assert json.loads(json.dumps(report.as_dict()))["account"]["ratings"]["used"] == 4


def test_bad_rows_are_reported_rather_than_raised_and_a_run_would_stop(folder, tmp_path):
    path = folder(ratings=f"{HEADER}1,10,4.0,100\n1,20,9,100\n1,30,4.0,100\n1,20,4.0,100\n", tags=None)
    knobs = ExampleGenParams()
    report = check(layouts.detect(path, knobs), knobs, tmp_path / "bad.jsonl")
    assert report.stops == [
        "1 of 4 rows of ratings are bad (1 rating out of scale), 25 %; example_gen.max_bad_share allows 0.1 %"
    ]
    assert report.bad_rows == {"ratings": ["ratings.csv, line 3: rating is 9.0, expected 0.5 to 5 stars"]}
    assert report.splits == {}
    assert json.loads((tmp_path / "bad.jsonl").read_text())["line"] == 3
    lines = text(report).splitlines()
    assert "  ratings: 4 rows = 3 used + 1 set aside" in lines
    assert "    1 rating out of scale" in lines
    assert "      ratings.csv, line 3: rating is 9.0, expected 0.5 to 5 stars" in lines
    help_ = "what may help: example_gen.rating_scale, the lowest and the highest rating"
    assert lines[-3:] == ["a run would stop", f"  {report.stops[0]}", f"  {help_}"]
    assert report_on(path, max_bad_share=0.25).stops == []


def test_too_little_to_split_is_a_stop(folder):
    report = report_on(folder(ratings=f"{HEADER}1,10,4.0,100\n1,20,4.0,100\n"))
    assert report.stops[0].startswith("ratings.csv: none of 1 users has 3 ratings or more")


def test_a_file_that_cannot_be_used_is_an_error(folder):
    with pytest.raises(DataError, match="column 'rating' is missing"):
        report_on(folder(ratings="userId,movieId,stars,timestamp\n1,10,4,1\n"))


@pytest.mark.parametrize(
    ("ratings", "anomaly"),
    [
        ([(u, 10, 4, u) for u in range(40)], "2 (67 %) of the movies have no event"),
        ([(u, 10, 4, u) for u in range(40)], "40 (100 %) of the users have fewer"),
        ([(u, 10, 4, u) for u in range(40)], "every rating is the same; without"),
        ([(1, m, m // 10, 5) for m in (10, 20, 30)], "every event is at the same second"),
        (
            [(u, m, m // 10, u) for m in (10, 20, 30) for u in (1, 2)],
            "4 (67 %) of the events are at the second of the one before",
        ),
        ([(u, m, m // 10, u) for m in (10, 20, 30) for u in (1, 2)], "2 (100 %) of the users have 3 events"),
    ],
)  # fmt: skip
def test_what_is_legal_but_odd_is_told(folder, ratings, anomaly):
    path = folder(ratings=HEADER + "".join(f"{u},{m},{r},{t}\n" for u, m, r, t in ratings))
    found = report_on(path).anomalies
    assert any(text.startswith(anomaly) for text in found), found
    assert "1 (33 %) of the movies have no year" in found


def test_one_user_or_item_with_much_of_everything_is_told(folder):
    items = range(10, 510)
    rows = [(1, item, 3, item) for item in items] + [(user, 10, 4, user) for user in range(2, 60)]
    path = folder(
        ratings=HEADER + "".join(f"{u},{m},{r},{t}\n" for u, m, r, t in rows),
        items="movieId,title,genres\n" + "".join(f"{m},Title (1990),Drama\n" for m in items),
        tags=None,
    )
    found = report_on(path).anomalies
    assert "one user has 500 (90 %) of all events; a shared account or a robot?" in found
    assert "one movie has 59 (11 %) of all events" in found


def test_the_report_names_dates_and_fits_the_columns(folder):
    rows = "".join(f"1,{item},4.0,{time}\n" for item, time in ((10, 0), (20, 400 * DAY), (30, 401 * DAY)))
    lines = text(report_on(folder(ratings=HEADER + rows))).splitlines()
    assert lines[0].startswith("layout     movielens-csv: ratings.csv, movies.csv, tags.csv (")
    assert "time       1970-01-01 00:00:00 to 1971-02-06 00:00:00" in lines
    assert f"  1970  {'#' * 20:<40}  1" in lines
    assert f"  1971  {'#' * 40}  2" in lines
    assert lines[-4].split() == ["split", "records", "history", "targets"]
    assert lines[-1].split() == ["test", "1", "2", "1"]
