"""Which rows conditions leave out, beside plain Python."""

import collections
import operator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.rows import conditions

COLUMNS = {"user": "who", "item": "sku", "time": "at"}
CELLS = ["", "NA", "0", "1", "1.0", "-2", "2.5", " 3 ", "1e2", "paid", "cancelled", "2018-09-26"]
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def log(rows) -> str:
    return "who,sku,at,qty,order status\n" + "".join(
        f"u{n % 3},i{n},{n},{qty},{status}\n" for n, (qty, status) in enumerate(rows)
    )


@pytest.mark.parametrize(
    ("text", "column", "operator", "negated", "values"),
    [
        ("quantity > 0", "quantity", ">", False, ("0",)),
        ("quantity>=-1.5", "quantity", ">=", False, ("-1.5",)),
        ("Order Status != cancelled", "Order Status", "in", True, ("cancelled",)),
        ("status == 'in transit'", "status", "in", False, ("in transit",)),
        ('"is a" = "1"', "is a", "in", False, ("1",)),
        ("country in [DE, 'AT']", "country", "in", False, ("DE", "AT")),
        ("country not in [DE]", "country", "in", True, ("DE",)),
        ("user id is missing", "user id", "missing", False, ()),
        ("user id is not missing", "user id", "missing", True, ()),
        ("day >= 2018-09-26", "day", ">=", False, ("2018-09-26",)),
    ],
)
def test_the_forms(text, column, operator, negated, values):
    found = conditions.parse(text)
    assert (found.column, found.operator, found.negated, found.values) == (column, operator, negated, values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quantity", "condition 'quantity' is none; expected COLUMN > 0"),
        ("> 0", "is none"),
        ("a > 0 > 1", "is none"),
        ("a >", "is none"),
        ("status > paid", "compares with 'paid', expected a number or a date"),
    ],
)
def test_what_is_none_is_refused_with_the_forms(text, message):
    with pytest.raises(ValueError, match=message):
        ExampleGenParams(columns=COLUMNS, keep=(text,))


def naive(text: str, cell: str) -> bool | None:
    """Whether a condition of the kinds below holds; None: it cannot be said."""
    cell = cell.strip()
    missing = cell in ("", "NA")
    _, sign, value = text.split(" ", 2)
    if sign == "is":
        return missing != value.startswith("not")
    if sign in ("=", "!="):
        try:
            same = float(cell) == float(value)
        except ValueError:
            same = cell == value.strip("'")
        return (same and not missing) != (sign == "!=")
    if missing:
        return False
    try:
        return COMPARE[sign](float(cell), float(value))
    except ValueError:
        return None


condition = st.one_of(
    st.tuples(st.just("qty"), st.sampled_from(sorted(COMPARE)), st.sampled_from(["0", "1", "-2", "2.5"])),
    st.tuples(st.just("qty"), st.sampled_from(["=", "!="]), st.sampled_from(["1", "paid", "'paid'", "100"])),
    st.tuples(st.just("qty"), st.just("is"), st.sampled_from(["missing", "not missing"])),
).map(" ".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(CELLS), st.just("x")), min_size=1, max_size=20),
    st.lists(condition, max_size=2),
    st.lists(condition, max_size=2),
)
def test_rows_are_left_out_by_the_first_reason_and_counted(tmp_path, read, rows, keep, drop):
    left_out: collections.Counter[str] = collections.Counter()
    bad = used = 0
    for cell, _ in rows:
        for text, drops in [*((each, True) for each in drop), *((each, False) for each in keep)]:
            found = naive(text, cell)
            if found is None:
                bad += 1
                break
            if found == drops:
                left_out[text if drops else f"not {text}"] += 1
                break
        else:
            used += 1
    (tmp_path / "log.csv").write_text(log(rows))
    try:
        found = read(tmp_path / "log.csv", columns=COLUMNS, keep=keep, drop=drop, max_bad_share=1)
    except DataError as error:
        assert not used
        assert "nothing is left" in error.reason
        return
    assert len(found.ratings) == used
    assert found.left_out == left_out
    assert found.bad.kinds == ({("ratings", "not a number"): bad} if bad else {})


def test_a_row_that_is_left_out_is_not_bad_whatever_else_is_in_it(tmp_path, read):
    (tmp_path / "log.csv").write_text("who,sku,at,qty\n,i1,never,-1\nu1,i1,5,1\nu2,i1,6,x\n")
    found = read(tmp_path / "log.csv", columns=COLUMNS, keep=["qty > 0"], max_bad_share=1)
    assert found.left_out == {"not qty > 0": 1}
    assert [row["reason"] for row in found.rows_bad] == [
        "qty is 'x', expected a number, which the condition qty > 0 compares"
    ]


def test_dates_have_an_order_and_large_numbers_keep_their_digits(tmp_path, read):
    (tmp_path / "log.csv").write_text(
        "who,sku,at,day,number\nu1,a,1,2018-09-25,16777216\nu1,b,2,2018-09-26T10:00,16777217\n"
    )
    for keep in ("day >= 2018-09-26", "number > 16777216"):
        found = read(tmp_path / "log.csv", columns=COLUMNS, keep=[keep])
        assert [row[1] for row in found.ratings] == ["b"]


def test_a_column_that_is_not_there_is_named(tmp_path, read):
    (tmp_path / "log.csv").write_text("who,sku,at\nu1,a,1\n")
    with pytest.raises(DataError, match="column 'qty' is missing"):
        read(tmp_path / "log.csv", columns=COLUMNS, keep=["qty > 0"])


def test_conditions_are_on_columns_of_every_layout(folder, read):
    found = read(folder(), keep=["rating >= 4"])
    assert [row[2] for row in found.ratings] == [4.0, 5.0]
    assert found.left_out == {"not rating >= 4": 2}
