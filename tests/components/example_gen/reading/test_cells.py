"""The one grammar of cells, beside Python's own conversions."""

import datetime
import decimal
import math
import re

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.example_gen.reading import cells
from components.example_gen.reading.rows.conditions import MISSING_MARKERS

text = st.lists(
    st.one_of(
        st.text(alphabet="0123456789.+-eE xnaif", max_size=8),
        st.integers(-(10**25), 10**25).map(str),
        st.floats(allow_nan=True).map(str),
        st.sampled_from(
            [
                "",
                " ",
                " 7 ",
                "0x10",
                "1_0",
                "nan",
                "+inf",
                "Infinity",
                "nan(1)",
                "1e999",
                "007",
                "-1.5",
                "2.0",
                "-2.0",
            ]
        ),
    ),
    max_size=6,
)


def is_missing(cell: str) -> bool:
    return cell.strip() in MISSING_MARKERS


def reference_number(cell: str) -> float | None:
    if not re.fullmatch(
        r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:[+-]?(nan|inf|infinity))", cell.strip(" ")
    ):
        return None
    return float(cell)


@given(text)
@example(["nan(1)"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_numbers(dictionary, some):
    column = pa.array(some, pa.string())
    values, wrong = cells.typed(column.dictionary_encode() if dictionary else column, "number")
    for cell, value, what in zip(some, values.to_pylist(), wrong.tolist(), strict=True):
        number = reference_number(cell)
        if is_missing(cell) or number is None:
            assert what == (cells.MISSING if is_missing(cell) else cells.NOT_OF_KIND)
            continue
        assert not what
        with_precision = pa.scalar(number, pa.float64()).cast(pa.float32(), safe=False).as_py()
        assert value == with_precision or (math.isnan(value) and math.isnan(number))


@given(text)
@pytest.mark.parametrize(
    ("kind", "unit"), [("integer", 1), ("time:s", 1), ("time:ms", 1000), ("time:us", 10**6)]
)
def test_whole_numbers(kind, unit, some):
    values, wrong = cells.typed(pa.array(some, pa.string()), kind)
    for cell, value, what in zip(some, values.to_pylist(), wrong.tolist(), strict=True):
        fraction = r"(\.[0-9]*)?" if kind != "integer" else ""
        if not re.fullmatch(rf"-?[0-9]+{fraction}", cell.strip(" ")):
            assert what == (cells.MISSING if is_missing(cell) else cells.NOT_OF_KIND)
            continue
        number = math.floor(decimal.Decimal(cell.strip(" ")))
        if abs(int(cell.split(".")[0])) > 2**63 - 1:
            assert what == cells.TOO_LARGE
        else:
            assert (value, what) == (number // unit, 0)


TIMES = [
    "2017-07-14", "2017-07-14T02:40:00Z", "2017-07-14 04:40:01.5+02:00", "1969-12-31T23:59:59.5", "20170714",
    "2017-07-14T02:40:01.123456789", "2017-02-30", " 2017-07-14 ", "", "soon", "2017-07-14T02:40+0200",
]  # fmt: skip


@given(st.lists(st.sampled_from(TIMES), max_size=5))
def test_times_in_iso_8601(some):
    values, wrong = cells.typed(pa.array(some, pa.string()), "time:iso")
    for cell, value, what in zip(some, values.to_pylist(), wrong.tolist(), strict=True):
        try:
            time = datetime.datetime.fromisoformat(cell.strip())
        except ValueError:
            assert what == (cells.MISSING if is_missing(cell) else cells.NOT_OF_KIND)
            continue
        time = time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
        assert (value, what) == (math.floor(time.timestamp()), 0)


def test_bytes_that_are_no_utf8_are_wrong_in_every_kind():
    raw = pa.array([b"7", b"\xe9", "é".encode()], pa.binary()).view(pa.string())
    for kind in ("id", "text", "number", "integer"):
        assert cells.typed(raw, kind)[1].tolist()[:2] == [0, cells.NOT_UTF8]
    values, wrong = cells.typed(raw, "id")
    assert (values.to_pylist(), wrong.tolist()) == (["7", None, "é"], [0, cells.NOT_UTF8, 0])


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        (pa.array([7, None]), "id", ["7", None]),
        (pa.array(["a", None, "b"]).dictionary_encode(), "id", ["a", None, "b"]),
        (pa.array([True, None]), "text", ["true", None]),
        (pa.array([7, None]), "number", [7.0, None]),
        (pa.array([2**60]), "number", [float(2**60)]),
        (pa.array([1_500, None]), "time:ms", [1, None]),
        (pa.array([-1], pa.timestamp("ms")), "time:s", [-1]),
        (pa.array([-1], pa.timestamp("ms")), "time:iso", [-1]),
        (pa.array([["a", "b"], None]), "texts", [["a", "b"], None]),
    ],
)
def test_columns_of_other_types_and_nulls(column, kind, expected):
    values, wrong = cells.typed(column, kind)
    assert values.to_pylist() == expected
    assert wrong.tolist() == [cells.MISSING if value is None else 0 for value in expected]


def test_a_whole_number_is_no_time_in_iso_8601():
    column = pa.array([1_537_799_250])
    assert cells.typed(column, "time:iso")[1].tolist() == [cells.NOT_OF_KIND]
    expected = "time is 1537799250, expected a time in ISO 8601, such as 2017-12-31 23:59:00"
    assert cells.problem("time", column[0], "time:iso", cells.NOT_OF_KIND)[1] == expected


def test_finite_numbers_are_finite():
    for column in (
        pa.array(["1.5", "inf", "1e99", "nan", ""]),
        pa.array([1.5, math.inf, 1e99, math.nan, None]),
    ):
        values, wrong = cells.typed(column, "finite")
        bad, missing = cells.NOT_OF_KIND, cells.MISSING
        assert wrong.tolist() == [0, bad, bad, missing, missing]
        assert (values[0].as_py(), values[4].as_py()) == (1.5, None)


@pytest.mark.parametrize("kind", ["id", "cell", "number", "finite", "integer", "time:s", "time:iso"])
def test_markers_are_missing_in_every_kind_blanks_or_not(kind):
    markers = [*MISSING_MARKERS, "Unknown", " NA ", "  "]
    _, wrong = cells.typed(pa.array(markers), kind, (*MISSING_MARKERS, "Unknown"))
    assert set(wrong.tolist()) == {cells.MISSING}
    assert not cells.typed(pa.array(markers), "text")[1].any()  # a film may be called so


@pytest.mark.parametrize("kind", ["id", "number", "finite", "integer", "time:s", "time:ms"])
def test_a_marker_that_is_a_number_is_missing_whatever_stands_beside_it(kind):
    for some in (["0", "7"], ["0", "7", "soon"]):
        _, wrong = cells.typed(pa.array(some), kind, (*MISSING_MARKERS, "0"))
        assert wrong.tolist()[:2] == [cells.MISSING, 0]


@pytest.mark.parametrize("kind", ["id", "cell", "texts", "number", "finite", "integer", "time:s"])
@pytest.mark.parametrize(
    "type_", [pa.int64(), pa.int8(), pa.float64(), pa.dictionary(pa.int32(), pa.int64())]
)
def test_markers_count_in_columns_of_numbers_too(kind, type_):
    column = pa.array([-1, 7, None], pa.int64()).cast(getattr(type_, "value_type", type_))
    column = column.dictionary_encode() if pa.types.is_dictionary(type_) else column
    values, wrong = cells.typed(column, kind, (*MISSING_MARKERS, "-1"))
    assert "missing" in cells.problem("n", column[0], kind, wrong[0])[0]
    assert wrong.tolist() == [cells.MISSING, 0, cells.MISSING]
    assert [value is None for value in values.to_pylist()] == [True, False, True]


def test_ids_have_no_blanks_around_them_and_no_line_ends():
    values, wrong = cells.typed(pa.array([" a", "a ", "a b", "a\nb"]).dictionary_encode(), "id")
    assert values.to_pylist() == ["a", "a", "a b", None]
    assert wrong.tolist() == [0, 0, 0, cells.NOT_OF_KIND]
