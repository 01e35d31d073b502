"""Small logs as people have them: read as what they are, or refused with what helps.

Each folder is one log with its config; they stand for kinds of faults.
"""

from pathlib import Path

import pytest
import yaml

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from components.example_gen.reading.quarantine import Quarantine, percent
from components.example_gen.sorting.gather import gather
from datasets.report import Report, check
from pipeline.config import reader
from pipeline.terminal.data_report import text

CASES = Path(__file__).parent / "own_data_cases"


def report_on(name: str, **params) -> Report:
    (folder,) = CASES.glob(f"{name}_*")
    config = yaml.load((folder / "config.yaml").read_text(), reader.Loader)["example_gen"]
    options = ExampleGenParams(**{**config, **params})
    (log,) = folder.glob("log.*")
    return check(layouts.detect(log, options), options)


def anomaly(report: Report, part: str) -> bool:
    return any(part in found for found in report.anomalies)


def test_a_stray_quote_joins_no_lines():
    report = report_on("01")
    assert (report.account.tables["ratings"].rows_in, report.events) == (24, 24)
    assert not report.stops
    # Where it is said that quotes enclose values, what they take in is no id.
    quoted = report_on("01", quoted=True)
    assert sum(quoted.account.tables["ratings"].bad.values()) > 0
    assert quoted.stops


def test_the_order_of_sorted_rows_is_no_time():
    report = report_on("02")
    assert anomaly(
        report, "there is no time, and the rows of 6 (100 %) users are sorted by item: their order"
    )
    assert report.years == {}
    assert "1970" not in text(report)
    assert "time       none: the rows are taken to be in the order of time" in text(report)


@pytest.mark.parametrize(
    ("case", "reason", "help_"),
    [
        ("03", "log.csv, line 2: time is ", "what may help: example_gen.time_unit"),
        ("21", "log.csv, line 2: item is 'caf\\udce9 4', expected UTF-8 text", "encoding: latin-1"),
    ],
)
def test_where_nothing_is_left_the_first_rows_and_what_helps_are_shown(case, reason, help_):
    wrong = {"encoding": "utf-8"} if case == "21" else {}
    with pytest.raises(DataError, match=r"nothing is left of 24 rows: 24 bad") as error:
        report_on(case, **wrong)
    assert reason in str(error.value)
    assert help_ in str(error.value)


def test_a_marker_of_a_missing_value_is_no_user():
    report = report_on("04")
    assert report.users == 3
    assert report.account.tables["ratings"].bad == {"missing user or item": 12}
    assert "example_gen.max_bad_share allows 0.1 %" in report.stops[0]
    assert "example_gen.max_missing_share allows 10 %" in report_on("04", max_missing_share=0.1).stops[0]
    assert not report_on("04", max_missing_share=0.5).stops


def test_ids_that_come_both_ways_are_noticed_and_blanks_go():
    report = report_on("05")
    assert anomaly(report, "ids of users come as whole numbers and as decimals, such as ")
    assert report_on("06").users == 6


@pytest.mark.parametrize(
    ("case", "note"), [("08", "3 cells of price (items)"), ("09", "a cell of episodes is")]
)
def test_a_bad_cell_of_a_feature_takes_neither_item_nor_events(case, note):
    report = report_on(case)
    assert (report.items, report.events, report.stops) == (9, 24, [])
    assert anomaly(report, note)


def test_a_row_twice_is_one_more_repeat_where_repeats_have_a_rule():
    report = report_on("10")
    rows = report.account.tables["ratings"]
    assert (rows.rows_in, rows.used, rows.bad, rows.left_out) == (28, 24, {}, {"rated again (last kept)": 4})
    assert not report.stops


def test_two_meanings_of_one_column_are_refused():
    with pytest.raises(ValueError, match="columns gives one column, 'item', several meanings: item, rating"):
        report_on("12")


def test_a_rating_that_may_mean_none_is_noticed_and_can_be_left_out():
    assert anomaly(
        report_on("07"), "16 (67 %) of the ratings are the lowest one, 5 times as many as the next"
    )
    report = report_on("07", unrated=[0])
    assert (report.events, report.account.tables["ratings"].left_out) == (8, {"unrated": 16})
    # Out of the scale they are no bad rows either.
    assert report_on("07", unrated=[0], rating_scale=[1, 10]).account.tables["ratings"].bad == {}


def test_an_item_of_bad_rows_alone_is_no_item():
    assert report_on("13").items == 9


def test_seconds_that_are_milliseconds_are_noticed():
    assert anomaly(report_on("22"), "every event is in 1970: are the times of another unit than seconds")


def test_an_item_twice_with_the_same_row_is_left_out_and_counted():
    report = report_on("26")
    rows = report.account.tables["items"]
    assert rows.rows_in == rows.used + sum(rows.bad.values()) + sum(rows.left_out.values())
    assert (report.items, report.events) == (9, 24)


def test_a_table_of_some_of_the_items():
    assert "unknown item" in report_on("27").stops[0]
    assert anomaly(report_on("27"), "16 of 24 rows (67 %) have their item in items.csv")
    kept, dropped = report_on("27", unknown_items="keep"), report_on("27", unknown_items="drop")
    assert (kept.items, kept.events, kept.stops) == (9, 24, [])
    assert anomaly(kept, "6 of 9 items (67 %) have a row in items.csv; the title of the others is their id")
    assert (dropped.items, dropped.events, dropped.stops) == (6, 16, [])
    left_out = dropped.account.tables["ratings"].left_out
    assert left_out == {"of an item that is not in the table of items": 8}


def test_dates_need_a_time():
    with pytest.raises(ValueError, match="start needs a column time"):
        report_on("30")


def test_a_file_that_is_named_is_read_whatever_its_ending():
    assert report_on("14").events == 24


def test_another_delimiter_is_recognised():
    with pytest.raises(
        DataError, match=r"found user;item;rating;time.*';' were between the columns: set exam"
    ):
        report_on("15", delimiter=",")
    assert report_on("15").events == report_on("15", delimiter=";").events == 24


def test_encodings_and_times_are_known_by_content():
    assert report_on("21").events == 24
    # 2017/7/1 is no ISO 8601, which the case's config says it is.
    report = report_on("03", time_unit="auto")
    assert (report.events, report.first_second) == (24, 1_498_867_200)


def test_a_file_without_a_header_has_names_by_the_config():
    columns = {"user": "who", "item": "what", "rating": "stars", "time": "at"}
    report = report_on("11", names=list(columns.values()), columns=columns)
    assert (report.events, report.users, report.stops) == (24, 6, [])
    with pytest.raises(
        DataError, match=r"columns\.time is 'when', expected one of example_gen\.names: who, what"
    ):
        report_on("11", names=list(columns.values()), columns={**columns, "time": "when"})


def test_a_header_of_numbers_is_recognised(tmp_path):
    (tmp_path / "log.csv").write_text("1,2,3\n4,5,6\n")
    options = ExampleGenParams(columns={"user": "user", "item": "item"})
    with pytest.raises(DataError, match=r"the first line looks like data: example_gen\.names"):
        check(layouts.detect(tmp_path / "log.csv", options), options)


def test_a_first_line_that_looks_like_data_is_noticed():
    assert anomaly(report_on("11"), "the first line of log.csv names its columns and looks like data")


def test_a_list_with_another_separator_is_noticed():
    note = "genres is a list, and no cell has '|' while 100 % have ', '"
    assert anomaly(report_on("16"), note)
    assert not anomaly(report_on("16", list_separator=", "), "is a list")
    assert "items.genres: 100 % filled, 6 different, such as 'Drama, Crime', 'Comedy, War'" in "".join(
        report_on("16").columns
    )


def test_the_year_of_a_date_is_its_year():
    report = report_on("17")
    assert not anomaly(report, "of the items have no year")
    assert not anomaly(report, "taken for missing")


def test_utf8_that_is_read_as_latin1_is_noticed():
    assert anomaly(report_on("20"), "with letters beyond ASCII and is read as Latin-1: 'café' becomes")
    assert not anomaly(report_on("20", encoding=None), "UTF-8")
    assert not anomaly(report_on("21"), "UTF-8")


def test_features_may_have_capitals_and_blanks():
    report = report_on("24")
    assert (report.items, report.stops) == (9, [])
    assert "items.Brand (brand): 100 % filled, 3 different, such as b1, b2, b0" in report.columns
    with pytest.raises(ValueError, match="item_features names brand more than once"):
        report_on("24", item_features=[{"name": n, "kind": "text"} for n in ("Brand", "brand")])


def test_yes_and_no_are_events():
    report = report_on("25")
    assert (report.events, report.ratings, report.stops) == (24, {"0.333": 14, "1": 10}, [])


def test_seconds_with_a_fraction_are_rounded_down():
    report = report_on("29")
    assert (report.events, report.stops) == (24, [])
    assert report.first_second == 1_500_086_400


def test_rows_of_a_negative_quantity_are_left_out_by_a_condition():
    assert report_on("18").events == 24
    assert anomaly(report_on("18"), "qty is below 0 in some rows, which count like all others")
    report = report_on("18", keep=["qty > 0"])
    rows = report.account.tables["ratings"]
    assert (rows.rows_in, rows.used) == (24, report.events)
    assert rows.left_out == {"not qty > 0": 24 - report.events}
    assert 0 < report.events < 24
    assert not anomaly(report, "below 0")
    weighed = report_on("18", keep=["qty > 0"], columns={"user": "customer", "item": "sku", "weight": "qty"})
    assert weighed.events == report.events


def test_a_share_above_its_limit_does_not_read_as_the_limit():
    assert report_on("34").stops == [
        "1 of 999 rows of ratings are bad (1 missing user or item), 0.1001 %; example_gen.max_bad_share "
        "allows 0.1 %"
    ]


@pytest.mark.parametrize(
    ("share", "beside", "words"),
    [
        (0.0012, None, "0.12 %"),
        (0.67, None, "67 %"),
        (1.0, None, "100 %"),
        (0.9962, None, "99.6 %"),
        (0.999999, None, "99.9999 %"),
        (1 / 999, 0.001, "0.1001 %"),
        (0.1004, 0.1, "10.04 %"),
        (0.1, 0.1, "10 %"),
    ],
)
def test_percent(share, beside, words):
    assert percent(share, beside) == words


def test_the_histogram_is_on_the_scale_of_the_data(tmp_path):
    rows = "".join(f"u{n % 5},i{n},{1 + n % 10}\n" for n in range(40))
    (tmp_path / "log.csv").write_text(f"user,item,rating\n{rows}")
    columns = {"user": "user", "item": "item", "rating": "rating"}
    options = ExampleGenParams(columns=columns, rating_scale=(1, 10))
    report = check(layouts.detect(tmp_path / "log.csv", options), options)
    assert report.ratings == {str(rating): 4 for rating in range(1, 11)}
    assert "rating, on the scale 1 to 10" in text(report)


def test_numbers_that_are_no_ratings_are_noticed(tmp_path):
    rows = "".join(f"u{n % 5},i{n},{5000 if n == 7 else 1 + n % 10}\n" for n in range(60))
    (tmp_path / "log.csv").write_text(f"user,item,rating\n{rows}")
    columns = {"user": "user", "item": "item", "rating": "rating"}
    options = ExampleGenParams(columns=columns, rating_scale=(0, 10_000))
    report = check(layouts.detect(tmp_path / "log.csv", options), options)
    assert anomaly(report, "59 (98 %) of the ratings fall into one step of the scale: if they are plays")


def test_titles_stand_in_the_log_itself(tmp_path):
    (folder,) = CASES.glob("31_*")
    options = ExampleGenParams(**yaml.safe_load((folder / "config.yaml").read_text())["example_gen"])
    with Quarantine() as bad:
        data = gather(layouts.detect(folder / "log.csv", options), options, bad, tmp_path)
    assert data.items["title"].to_pylist() == [f"Mug {number}" for number in range(1, 10)]
    report = report_on("31")
    assert report.events == 24
    assert "ratings.name (title): 100 % filled, 9 different, such as Mug 4, Mug 6, Mug 8" in text(report)
