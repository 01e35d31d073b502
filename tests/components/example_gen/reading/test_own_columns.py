"""Columns of the user's own table of items: read, checked, and written into the artifact."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import contract
from components.common import dense_columns, feature_file
from components.common.features import MOVIELENS, Features, FeatureSpec
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import quarantine
from components.example_gen.records import read as reader
from components.example_gen.records import schemas, write

SPECS = (
    FeatureSpec(name="brand", kind="categorical"),
    FeatureSpec(name="shelf", kind="multi", column="shelves"),
    FeatureSpec(name="price", kind="number"),
    FeatureSpec(name="about", kind="text"),
)
KNOBS = {
    "columns": {"user": "who", "item": "sku"},
    "items": "items.csv",
    "item_columns": {"item": "sku", "title": "name"},
    "item_features": SPECS,
    "list_separator": ";",
}
HEADER = "sku,name,brand,shelves,price,about\n"
ROWS = 'a,Mug, acme ,cups;blue; cups;,19.5,"A mug, blue"\nb,Cup,,,,\nc,Hat,zeta,wear,1e3,For heads\n'
EXPECTED = {
    "brand": [["acme"], [], ["zeta"]],
    "shelf": [["cups", "blue"], [], ["wear"]],
    "price": [[19.5], [], [1000.0]],
    "about": ["A mug, blue", "", "For heads"],
}


@pytest.fixture
def log(tmp_path):
    def make(items: str = HEADER + ROWS):
        (tmp_path / "log.csv").write_text("who,sku\n1,a\n1,b\n1,c\n")
        (tmp_path / "items.csv").write_text(items)
        return tmp_path

    return make


def columns(items):
    return {name: [row[name] for row in items] for name in EXPECTED}


def test_a_table_of_text_becomes_lists_numbers_and_texts(log, read):
    found = read(log(), **KNOBS)
    assert columns(found.items) == EXPECTED
    assert [(row[contract.TITLE], row[contract.GENRES]) for row in found.items] == [
        ("Mug", []), ("Cup", []), ("Hat", []),
    ]  # fmt: skip


def test_parquet_has_types_of_its_own(log, tmp_path, read):
    log()
    (tmp_path / "items.csv").unlink()
    table = pa.table(
        {
            "sku": ["a", "b", "c"],
            "name": ["Mug", "Cup", "Hat"],
            "brand": pa.array([7, None, 8]),
            "shelves": pa.array([["cups", "blue", "cups", ""], None, ["wear"]]),
            "price": pa.array([19.5, None, 1000.0]),
            "about": ["A mug, blue", None, "For heads"],
        }
    )
    pq.write_table(table, tmp_path / "items.parquet")
    found = read(tmp_path / "log.csv", **{**KNOBS, "items": "items.parquet"})
    assert columns(found.items) == {**EXPECTED, "brand": [["7"], [], ["8"]]}


@pytest.mark.parametrize("cell", ["dear", "1,5", "inf", "1e99", "--3", "$3.99"])
def test_a_number_that_is_none_is_missing_and_counted(log, read, cell):
    path = log(f'{HEADER}{ROWS}d,Good,acme,,"{cell}",\n')
    found = read(path, **KNOBS)
    assert found.rows_bad == []
    assert [row["price"] for row in found.items] == [*EXPECTED["price"], []]
    assert list(found.bad.unread_cells()) == [
        f"a cell of price is taken for missing: price is {cell!r}, expected a number or nothing"
    ]


@pytest.mark.parametrize("cell", ["", " ", "NA", "nan", "Unknown"])
def test_a_missing_number_is_not_counted(log, read, cell):
    found = read(log(f"{HEADER}{ROWS}d,Good,NULL,,{cell},\n"), **KNOBS, missing=["Unknown"])
    assert (found.items[3]["price"], found.items[3]["brand"]) == ([], [])
    assert not found.bad.unread


def test_an_item_twice_is_left_out_where_it_is_the_same_and_bad_where_not(log, read):
    found = read(log(f"{HEADER}{ROWS}b,Cup,,,,\nb,Mug,,,,\n"), **KNOBS, max_bad_share=1)
    assert [row[contract.TITLE] for row in found.items] == ["Mug", "Cup", "Hat"]
    assert found.bad.left_out["items"] == {"the same row again": 1}
    assert [(row["line"], row["kind"], row["reason"]) for row in found.rows_bad] == [
        (6, quarantine.ID_AGAIN, "sku is 'b', expected an id that no earlier line has (line 3 stays)")
    ]


@pytest.mark.parametrize(
    ("unknown_items", "events", "items"),
    [("drop", 2, ["a", "b", "c"]), ("keep", 3, ["a", "b", "c", "x"])],
)
def test_items_that_are_not_in_the_table(log, tmp_path, read, unknown_items, events, items):
    path = log()
    (tmp_path / "log.csv").write_text("who,sku\n1,a\n1,x\n1,c\n")
    with pytest.raises(ValueError, match=r"what may help: example_gen\.unknown_items: drop or keep"):
        read(path, **KNOBS)
    found = read(path, **KNOBS, unknown_items=unknown_items)
    assert len(found.ratings) == events
    assert [row[contract.ITEM_ID] for row in found.items] == items
    assert sum(found.left_out.values()) == 3 - events
    if unknown_items == "keep":
        assert found.items[3] == {
            "item_id": "x", "title": "x", "year": 0, "genres": [], "brand": [], "shelf": [], "price": [],
            "about": "",
        }  # fmt: skip


def test_a_missing_column_stops_at_once(log, read):
    with pytest.raises(ValueError, match=r"items\.csv, line 1: column 'about' is missing"):
        read(log("sku,name,brand,shelves,price\na,Mug,acme,,,\n"), **KNOBS)


@pytest.mark.parametrize(
    ("item_features", "message"),
    [
        ([SPECS[0], SPECS[0]], "brand more than once"),
        ([FeatureSpec(name="title", kind="text")], "title is the name of something else"),
        ([FeatureSpec(name="item", kind="categorical")], "item is the name of something else"),
        ([FeatureSpec(name="year", kind="text")], "year is MovieLens's own"),
        (
            [FeatureSpec(name=x, kind="multi", taste=True) for x in ("x", "y")],
            "tastes can be in one feature only",
        ),
        ([{"name": "price", "kind": "number", "tfidf": True}], "price: tfidf is for the kind multi"),
        ([{"name": "日本", "kind": "number"}], "name '日本': expected a name of plain letters"),
        ([{"name": "9 lives", "kind": "number"}], "that starts with a letter"),
        ([{"name": "price", "kind": "money"}], "should be 'categorical', 'multi', 'number' or 'text'"),
    ],
)
def test_features_that_cannot_be_are_refused(item_features, message):
    with pytest.raises(ValueError, match=message):
        ExampleGenParams.model_validate({**KNOBS, "item_features": item_features})
    with pytest.raises(ValueError, match=r"columns of your own"):
        ExampleGenParams(item_features=SPECS)


def test_records_survive_the_file_and_become_dense(log, read, tmp_path):
    found = read(log(), **KNOBS)
    schema = schemas.items_schema((*MOVIELENS, *SPECS))
    rows = [{**row, contract.TAGS: [], contract.RATING_COUNT: i, contract.RATING_MEAN: 5.0}
            for i, row in enumerate(found.items)]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema)
    folder = tmp_path / "items"
    (folder / "Split-train").mkdir(parents=True)
    write.write_shard(str(folder / "Split-train"), 0, 1, table)
    feature_file.write(str(folder), Features(feedback="implicit", item=SPECS))
    back = read_items(folder)
    assert back.equals(table)
    got = dense_columns.item_inputs(back, SPECS)
    assert got["brand"].tolist() == [b"acme", b"", b"zeta"]
    assert got["shelf"].tolist() == [[b"cups", b"blue"], [b"", b""], [b"wear", b""]]
    assert got["price"].tolist() == [19.5, np.float32(contract.UNKNOWN_NUMBER), 1000.0]
    assert got["about"].tolist() == [b"A mug, blue", b"", b"For heads"]


def read_items(folder):
    return reader.read_items(str(folder))
