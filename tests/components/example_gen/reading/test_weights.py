"""Numbers that are no ratings (plays, hours, quantities), and events that the name of a file says."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import quarantine
from components.example_gen.reading.rows.weights import Scale

COLUMNS = {"user": "who", "item": "game", "weight": "hours"}
LOG = "who,game,hours\nu1,a,1\nu1,b,3\nu1,c,100\nu2,a,3\nu2,b,3\nu2,c,0.5\n"


def weights(found) -> list[float]:
    return [row[2] for row in found.ratings]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"weight_transform": "linear"}, [0.01, 0.03, 1, 0.03, 0.03, 0.005]),
        ({"weight_transform": "linear", "weight_cap": 3}, [1 / 3, 1, 1, 1, 1, 0.5 / 3]),
        ({"weight_transform": "rank"}, [1 / 3, 2 / 3, 1, 1, 1, 1 / 3]),
        ({"weight_transform": "rank", "weight_cap": 3}, [1 / 3, 1, 1, 1, 1, 1 / 3]),
        ({}, [math.log1p(x) / math.log1p(100) for x in (1, 3, 100, 3, 3, 0.5)]),
        ({"weight_cap": 3}, [math.log1p(x) / math.log1p(3) for x in (1, 3, 3, 3, 3, 0.5)]),
    ],
)
@pytest.mark.parametrize("buffer_rows", [1_000, 4_000_000])
def test_a_number_becomes_a_share_of_the_strongest(tmp_path, read, params, expected, buffer_rows):
    (tmp_path / "log.csv").write_text(LOG)
    found = read(tmp_path / "log.csv", columns=COLUMNS, buffer_rows=buffer_rows, **params)
    assert weights(found) == pytest.approx(expected, abs=1e-6)
    assert found.layout == "csv: log.csv; no ratings: events count by hours; in the order of the rows"


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0.015625, 1e6, width=32)), min_size=1, max_size=40).map(
        sorted
    ),
    st.sampled_from(["log", "linear", "rank"]),
    st.sampled_from([None, 5.0, 1e9]),
)
def test_shares_keep_the_order_and_stay_in_their_bounds(rows, transform, cap):
    users, values = np.array([u for u, _ in rows]), np.array([x for _, x in rows], np.float32)
    scale = Scale(transform, cap)
    shares = scale.ranks(scale.shares(values, float(values.max())), users)
    assert ((shares > 0) & (shares <= 1)).all()
    capped = values if cap is None else np.minimum(values, np.float32(cap))
    if transform == "rank":
        for user, value, share in zip(users, capped, shares, strict=True):
            own = capped[users == user]
            assert share == pytest.approx((own <= value).mean())
    else:
        assert shares.max() == pytest.approx(1)
        order = np.argsort(capped)
        assert (np.diff(shares[order]) >= 0).all()


@pytest.mark.parametrize("cell", ["0", "-2", "nan", "inf"])
def test_a_weight_that_is_not_above_0_is_set_aside_and_a_condition_leaves_it_out(tmp_path, read, cell):
    (tmp_path / "log.csv").write_text(f"{LOG}u3,a,{cell}\n")
    with pytest.raises(DataError, match=f"hours is .*{cell}.*, expected a number") as error:
        read(tmp_path / "log.csv", columns=COLUMNS)
    if cell in ("0", "-2"):
        assert "what may help: example_gen.keep: ['COLUMN > 0']" in error.value.reason
        found = read(tmp_path / "log.csv", columns=COLUMNS, keep=["hours > 0"])
        assert (len(found.ratings), found.left_out) == (6, {"not hours > 0": 1})
        found = read(tmp_path / "log.csv", columns=COLUMNS, max_bad_share=1)
        assert [row["kind"] for row in found.rows_bad] == [quarantine.NO_WEIGHT]


def test_the_strongest_of_several_events_is_the_one_of_the_largest_number(tmp_path, read):
    (tmp_path / "log.csv").write_text("who,game,hours\nu1,a,1\nu1,a,30\nu1,a,2\nu1,b,30\n")
    found = read(tmp_path / "log.csv", columns=COLUMNS, repeated="strongest")
    assert weights(found) == pytest.approx([1, 1])
    assert found.left_out == {"rated again (strongest kept)": 2}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"columns": {**COLUMNS, "rating": "stars"}}, "columns names both rating and weight"),
        ({"columns": {**COLUMNS, "event": "kind"}, "event_weights": {"a": 1}}, "both event and weight"),
        ({"columns": {"user": "a", "item": "b"}, "weight_cap": 3}, "weight_cap is given, which needs"),
        ({"columns": COLUMNS, "event_of_file": {"a*": "a"}, "event_weights": {"a": 1}}, "expected one of"),
        ({"columns": {"user": "u", "item": "i"}, "event_of_file": {"a*": "b"}, "event_weights": {"a": 1}},
         "event_of_file names 'b', expected one of event_weights: a"),
        ({"columns": {"user": "u", "item": "i"}, "event_of_file": {"a*": "b"}}, "go together"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        ExampleGenParams(**params)


def test_the_name_of_a_file_says_the_event(tmp_path, read):
    (tmp_path / "views-1.csv").write_text("who,sku\nu1,a\nu1,b\n")
    (tmp_path / "orders.csv").write_text("who,sku\nu1,a\n")
    params = {
        "columns": {"user": "who", "item": "sku"},
        "event_of_file": {"views*": "view", "orders.csv": "purchase"},
        "event_weights": {"view": 1, "purchase": 4},
        "repeated": "strongest",
    }
    found = read(tmp_path, **params)
    assert dict(zip([row[1] for row in found.ratings], weights(found), strict=True)) == {"a": 1, "b": 0.25}
    assert (
        found.layout
        == "csv: orders.csv and 1 more; no ratings: events count by file; in the order of the rows"
    )
    (tmp_path / "carts.csv").write_text("who,sku\nu1,a\n")
    with pytest.raises(DataError, match=r"carts\.csv: has no event, expected a name like one of views"):
        read(tmp_path, **params)
