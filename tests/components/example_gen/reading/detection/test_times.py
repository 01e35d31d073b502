"""Which unit or format a column's times have."""

import datetime
import zoneinfo

import pyarrow as pa
import pytest

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from components.example_gen.reading.detection.times import units_of
from components.example_gen.reading.values import times

START = 1_500_000_000  # 2017-07-14 02:40:00 UTC
MOMENTS = [START + 86_400 * day + 3_661 * day for day in range(40)]
UTC = datetime.UTC
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def texts(format_, zone=UTC):
    return [datetime.datetime.fromtimestamp(second, zone).strftime(format_) for second in MOMENTS]


def read(cells, unit):
    values, wrong = times.seconds(pa.array(cells), f"time:{unit}")
    assert not wrong.any()
    return values.to_pylist()


@pytest.mark.parametrize(
    ("unit", "cells"),
    [
        ("s", [str(second) for second in MOMENTS]),
        ("s", [f"{second}.75" for second in MOMENTS]),
        ("ms", [f"{second}999" for second in MOMENTS]),
        ("ms", [f"{second}999.5" for second in MOMENTS]),
        ("us", [f"{second}999999" for second in MOMENTS]),
        ("ns", [f"{second}999999999" for second in MOMENTS]),
        ("iso", texts("%Y-%m-%d %H:%M:%S")),
        ("iso", texts("%Y-%m-%dT%H:%M:%S.999Z")),
        ("iso", texts("%Y-%m-%dT%H:%M:%S%z", BERLIN)),
        ("%Y-%m-%d %H:%M:%S %Z", texts("%Y-%m-%d %H:%M:%S UTC")),
        ("%m/%d/%Y %I:%M:%S %p", texts("%m/%d/%Y %I:%M:%S %p")),
        ("%d.%m.%Y %H:%M:%S", texts("%d.%m.%Y %H:%M:%S")),
        ("%a %b %d %H:%M:%S %z %Y", texts("%a %b %d %H:%M:%S %z %Y")),
        ("%Y%m%d%H%M%S", texts("%Y%m%d%H%M%S")),
    ],
)
def test_times_are_known_by_their_values(unit, cells):
    assert units_of(pa.array(cells)) == [unit]
    assert read(cells, unit) == MOMENTS


@pytest.mark.parametrize("format_", ["%Y%m%d", "%Y/%m/%d", "%d-%b-%Y", "%m %d, %Y", "%b %d, %Y", "%d %B %Y"])
def test_dates_are_known_by_their_values(format_):
    cells = texts(format_)
    days = [second // 86_400 * 86_400 for second in MOMENTS]
    (unit,) = units_of(pa.array([cell.replace("/0", "/").replace(" 0", " ") for cell in cells]))
    assert read(cells, unit) == days
    assert units_of(pa.array([*cells, "", "NULL", "\\N"])) == [unit]


def test_days_that_may_be_months_are_asked_for(tmp_path):
    cells = [f"{day:02}/0{month}/2017" for day in (1, 5, 12) for month in (3, 4)]
    assert sorted(units_of(pa.array(cells))) == ["%d/%m/%Y", "%m/%d/%Y"]
    assert units_of(pa.array([*cells, "13/03/2017"])) == ["%d/%m/%Y"]
    assert len(units_of(pa.array(["03/03/2017", "04/04/2017"]))) == 1  # which are the same days
    (tmp_path / "log.csv").write_text("u,i,t\n" + "".join(f"1,{n},{cell}\n" for n, cell in enumerate(cells)))
    params = ExampleGenParams(columns={"user": "u", "item": "i", "time": "t"})
    with pytest.raises(DataError, match=r"times such as 01/03/2017, .*time_unit to one of '%m/%d/%Y', '"):
        layouts.detect(tmp_path / "log.csv", params)


def test_what_are_no_times_is_left_to_the_reader():
    assert units_of(pa.array(["x", "y"])) == ["s"]
    assert units_of(pa.array([], pa.string())) == ["s"]
    assert units_of(pa.array(["1", "2", "400"])) == ["s"]


def test_a_unit_is_one_of_these_or_a_format():
    assert ExampleGenParams(time_unit="%d.%m.%Y").time_unit == "%d.%m.%Y"
    with pytest.raises(ValueError, match=r"must be one of auto, s, ms.*strptime.*got 'seconds'"):
        ExampleGenParams(time_unit="seconds")


@pytest.mark.parametrize(
    ("date", "offset", "unit", "seconds"),
    [
        ("2017-07-14", "9600000.9", "ms", START),
        ("2017-07-14", "9600", "s", START),
        ("2017-07-14", "160", "min", START),
        ("2017-07-14", "02:40", "clock", START),
        ("2017-07-14", "2:40:00.5", "clock", START),
        ("2017-07-14", "240", "clock", START),
        ("2017-07-14", "5", "clock", START - 9_300),
        ("14.07.2017", "024000", "clock", START),
    ],
)
def test_a_time_of_two_columns(tmp_path, folder, read, date, offset, unit, seconds):
    (tmp_path / "log.csv").write_text(f"u,i,day,plus\n1,a,{date},{offset}\n1,b,{date},{offset}\n")
    columns = {"user": "u", "item": "i", "time": "day", "offset": "plus"}
    found = read(tmp_path / "log.csv", columns=columns, offset_unit=unit)
    assert [row[3] for row in found.ratings] == [seconds, seconds]


def test_days_and_clocks_that_are_none_are_bad_rows(tmp_path, read):
    (tmp_path / "log.csv").write_text("u,i,day,plus\n1,a,17361,240\n1,b,17361,25:00\n1,c,17361,noon\n")
    columns = {"user": "u", "item": "i", "time": "day", "offset": "plus"}
    params = {"time_unit": "d", "offset_unit": "clock", "max_bad_share": 1}
    found = read(tmp_path / "log.csv", columns=columns, **params)
    assert [row[3] for row in found.ratings] == [START]
    assert [row["reason"] for row in found.rows_bad] == [
        "plus is '25:00', expected a time of a day such as 9:05",
        "plus is 'noon', expected a time of a day such as 9:05",
    ]
    with pytest.raises(ValueError, match="columns names offset without time"):
        ExampleGenParams(columns={"user": "u", "item": "i", "offset": "plus"})


@pytest.mark.parametrize("word", ["today", "now", "NOW", "Today "])
def test_a_word_for_the_present_is_no_time(word):
    """pandas reads these as the moment at which it reads them."""
    found, wrong = times.seconds(pa.array(["2017-07-14", word]), "time:%Y-%m-%d")
    assert (wrong != 0).tolist() == [False, True]
    assert found[0].as_py() == 1_499_990_400
