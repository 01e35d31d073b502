"""Logs whose rows name a row of another table, and items that stand in the log itself."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.example_gen import accounts
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.sorting.gather import gather
from components.example_gen.sorting.totals import totals

ORDERS = (
    "order_id,customer,placed,status\n1,ann,2018-09-25,paid\n2,bob,2018-09-26,paid\n3,ann,2018-09-27,void\n"
)
LINES = "order_id,product\n1,tea\n1,mug\n2,tea\n3,tea\n 2 ,mug\n"
PARAMS = {
    "columns": {"user": "customer", "item": "product", "time": "placed"},
    "time_unit": "iso",
    "join": "orders.csv",
    "join_on": "order_id",
    "repeated": "last",
}


def write(folder, lines: str = LINES, orders: str = ORDERS):
    (folder / "lines.csv").write_text(lines)
    (folder / "orders.csv").write_text(orders)
    return folder


def pairs(found) -> list[tuple[str, str]]:
    return [row[:2] for row in found.ratings]


@pytest.mark.parametrize("single", [True, False])
def test_an_order_names_the_user_and_the_time(tmp_path, read, single):
    path = write(tmp_path) / "lines.csv" if single else write(tmp_path)
    found = read(path, **PARAMS)
    assert sorted(pairs(found)) == [("ann", "mug"), ("ann", "tea"), ("bob", "mug"), ("bob", "tea")]
    assert found.left_out == {"rated again (last kept)": 1}
    assert found.layout == "csv: lines.csv, orders.csv; no ratings: events count alike"


def test_conditions_are_on_columns_of_both(tmp_path, read):
    found = read(write(tmp_path), **{**PARAMS, "drop": ["status = void", "order_id = 2"]})
    assert sorted(pairs(found)) == [("ann", "mug"), ("ann", "tea")]
    assert found.left_out == {"status = void": 1, "order_id = 2": 2}


def test_the_key_may_have_two_names_and_the_table_another_format(tmp_path, read):
    write(tmp_path)
    (tmp_path / "orders.csv").unlink()
    orders = {"id": [1, 2, 3], "customer": ["ann", "bob", "ann"], "placed": ["2018-09-25"] * 3}
    pq.write_table(pa.table(orders), tmp_path / "orders.parquet")
    found = read(tmp_path, **{**PARAMS, "join": "orders.parquet", "join_on": "order_id = id"})
    assert len(found.ratings) == 4


def test_the_share_that_joined_is_printed_and_the_others_are_bad_rows(tmp_path, read):
    write(tmp_path, LINES + "17,tea\n,mug\n")
    with pytest.raises(DataError, match=r"order_id is '17', expected one of orders\.csv, column order_id"):
        read(tmp_path, **PARAMS)
    params = {**PARAMS, "max_share_of": {"without a row in the joined table": 0.3}}
    assert [(row["line"], row["kind"]) for row in read(tmp_path, **params).rows_bad] == [
        (7, "without a row in the joined table"),
        (8, "without a row in the joined table"),
    ]
    knobs = ExampleGenParams(**params)
    (tmp_path / "scratch").mkdir()
    dataset = layouts.detect(tmp_path / "lines.csv", knobs)
    bad = Quarantine()
    data = gather(dataset, knobs, bad, tmp_path / "scratch")
    account = accounts.account(data, totals(data.log, knobs), bad, knobs)
    assert account.notes == ("5 of 7 rows (71 %) have their order_id in orders.csv",)
    assert account.lines()[-1] == account.notes[0]
    assert accounts.Account.from_dict(account.as_dict()) == account


def test_a_changed_table_is_read_again(tmp_path, read):
    assert ("bob", "mug") in pairs(read(write(tmp_path), **PARAMS))
    write(tmp_path, orders=ORDERS.replace("bob", "eve"))
    assert ("eve", "mug") in pairs(read(tmp_path, **PARAMS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"join": "no.csv"}, r"no\.csv: not found in .*; expected the table of example_gen\.join"),
        ({"join_on": "order = order_id"}, "column 'order' is missing"),
        ({"columns": {"user": "order_id", "item": "product"}}, r"orders\.csv: gives the log no column"),
    ],
)
def test_what_cannot_be_joined_is_named(tmp_path, read, change, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path), **{**PARAMS, **change})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"join": "a.csv"}, "join and join_on go together"),
        (
            {"join_on": "a = b = c", "join": "a.csv"},
            "join_on is 'a = b = c', expected a column of both",
        ),
        ({"join": "a.csv", "join_on": "a", "columns": {}}, "join is given without columns"),
    ],
)
def test_a_join_that_makes_no_sense_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        ExampleGenParams(**{"columns": {"user": "u", "item": "i"}, **params})


def test_titles_and_features_may_stand_in_the_log(tmp_path, read):
    (tmp_path / "log.csv").write_text(
        "who,sku,name,price,tags\nu1,a,Mug (1999),3.5,x|y\nu2,b,Tea,n/a,\nu1,b,Tea!,2,z\n,c,Gone,1,\n"
    )
    found = read(
        tmp_path / "log.csv",
        columns={"user": "who", "item": "sku"},
        item_columns={"title": "name"},
        item_features=[
            {"name": "price", "kind": "number"},
            {"name": "labels", "kind": "multi", "column": "tags"},
        ],
        max_missing_share=1,
        missing=["n/a"],
    )
    assert [
        (row["item_id"], row["title"], row["year"], row["price"], row["labels"]) for row in found.items
    ] == [
        ("a", "Mug", 1999, [3.5], ["x", "y"]),
        ("b", "Tea", 0, [], []),
    ]


def test_a_limit_of_a_kind_that_is_none_is_refused(tmp_path, read):
    (tmp_path / "log.csv").write_text("who,sku\nu1,a\n,b\n")
    columns = {"user": "who", "item": "sku"}
    with pytest.raises(DataError, match="max_share_of: names 'bad time', expected some of wrong number"):
        read(tmp_path / "log.csv", columns=columns, max_share_of={"bad time": 1})
    found = read(tmp_path / "log.csv", columns=columns, max_share_of={"missing user or item": 0.5})
    assert len(found.ratings) == 1
    with pytest.raises(DataError, match=r"50 %; example_gen\.max_share_of 'missing user or item' allows"):
        read(tmp_path / "log.csv", columns=columns, max_share_of={"missing user or item": 0.49})
