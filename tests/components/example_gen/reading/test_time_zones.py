"""Times of a place's clocks, beside Python's zoneinfo, one by one."""

from __future__ import annotations

import datetime
import zoneinfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import cells, layouts, quarantine, tables
from components.example_gen.reading.source import TIME

ZONES = ["Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]
HOURS = st.datetimes(datetime.datetime(1975, 1, 1), datetime.datetime(2035, 1, 1))
NEAR_CHANGES = st.builds(
    lambda day, minutes: day + datetime.timedelta(minutes=minutes),
    st.sampled_from([datetime.datetime(2021, 3, 28), datetime.datetime(2021, 10, 31)]),
    st.integers(0, 300),
)


def by_zoneinfo(local: datetime.datetime, zone: str) -> int | None:
    """None: the clocks of the zone leave this time out."""
    aware = local.replace(tzinfo=zoneinfo.ZoneInfo(zone))  # fold 0: the first of two
    back = aware.astimezone(datetime.UTC).astimezone(zoneinfo.ZoneInfo(zone))
    return int(aware.timestamp()) if back.replace(tzinfo=None) == local else None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(HOURS, NEAR_CHANGES), min_size=1, max_size=8), st.sampled_from(ZONES))
def test_local_times_are_as_zoneinfo_has_them(times, zone):
    times = [time.replace(microsecond=0) for time in times]
    expected = [by_zoneinfo(time, zone) for time in times]
    for unit in ("iso", "%d.%m.%Y %H:%M:%S"):
        form = "%Y-%m-%dT%H:%M:%S" if unit == "iso" else unit
        column = pa.array([time.strftime(form) for time in times])
        found, wrong = cells.typed(column, f"time@{zone}:{unit}")
        assert not wrong.any()
        for have, want in zip(found.to_pylist(), expected, strict=True):
            assert want is None or have == want
    found, _ = cells.typed(pa.array(times, pa.timestamp("ms")), f"time@{zone}:iso")
    assert all(w is None or have == w for have, w in zip(found.to_pylist(), expected, strict=True))


def test_an_hour_that_is_left_out_begins_an_hour_later():
    found, _ = cells.typed(pa.array(["2021-03-28 02:30"]), "time@Europe/Paris:iso")
    assert found.to_pylist() == [int(datetime.datetime(2021, 3, 28, 1, tzinfo=datetime.UTC).timestamp())]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["2021-07-01 12:00+05:00", "2021-07-01T12:00Z", None]),
        pa.array(["2021-07-01 12:00+05:00", "2021-07-01T12:00Z", "nonsense"]),
        pa.array([1_625_122_800_000, 1_625_140_800_000, None], pa.timestamp("ms", "UTC")),
    ],
)
def test_a_time_with_a_zone_stays(column):
    found, _ = cells.typed(column, "time@Asia/Tokyo:iso")
    assert found.to_pylist() == [1_625_122_800, 1_625_140_800, None]


def test_a_format_with_a_zone_stays():
    found, _ = cells.typed(pa.array(["01/07/2021 12:00 +0500"]), "time@Asia/Tokyo:%d/%m/%Y %H:%M %z")
    assert found.to_pylist() == [1_625_122_800]


COLUMNS = {"user": "u", "item": "i", "time": "t"}


@pytest.mark.parametrize("unit", ["auto", "%d/%m/%Y %H:%M"])
def test_a_log_is_read_in_its_zone(tmp_path, unit):
    path = tmp_path / "log.csv"
    path.write_text("u,i,t\n" + "".join(f"a,{n},{n + 13}/07/2021 23:30\n" for n in range(9)))
    params = ExampleGenParams(columns=COLUMNS, time_zone="Europe/Paris", time_unit=unit)
    source = layouts.detect(path, params).ratings
    [found] = [
        chunk.table[TIME] for chunk in tables.read(source, quarantine.Quarantine(), params.max_line_bytes)
    ]
    first = int(datetime.datetime(2021, 7, 13, 21, 30, tzinfo=datetime.UTC).timestamp())
    np.testing.assert_array_equal(found, first + 86_400 * np.arange(9))


def test_parquet_without_a_zone_is_of_the_zone(tmp_path):
    path = tmp_path / "log.parquet"
    time = pa.array([datetime.datetime(2021, 7, 13, 23, 30)], pa.timestamp("us"))
    pq.write_table(pa.table({"u": ["a"], "i": ["b"], "t": time}), path)
    params = ExampleGenParams(columns=COLUMNS, time_zone="Europe/Paris")
    source = layouts.detect(path, params).ratings
    [found] = [
        chunk.table[TIME] for chunk in tables.read(source, quarantine.Quarantine(), params.max_line_bytes)
    ]
    assert found.to_pylist() == [1_626_211_800]


def test_numbers_since_1970_have_no_zone(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("u,i,t\na,b,1500000000\n")
    with pytest.raises(DataError, match=r"t holds numbers since 1970.*leave out example_gen\.time_zone"):
        layouts.detect(path, ExampleGenParams(columns=COLUMNS, time_zone="Europe/Paris"))
    with pytest.raises(pydantic.ValidationError, match="time_zone is Europe/Paris and time_unit ms"):
        ExampleGenParams(columns=COLUMNS, time_zone="Europe/Paris", time_unit="ms")
    with pytest.raises(pydantic.ValidationError, match="must be a time zone such as Europe/Paris"):
        ExampleGenParams(columns=COLUMNS, time_zone="Middle Earth")
