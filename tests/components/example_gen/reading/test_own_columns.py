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


@pytest.mark.parametrize("cell", ["dear", "1,5", "nan", "inf", "1e99", "--3"])
def test_a_number_that_is_none_sets_its_item_aside(log, read, cell):
    path = log(f'{HEADER}{ROWS}d,Bad,acme,,"{cell}",\n')
    found = read(path, **KNOBS, max_bad_share=1)
    assert [(row["file"], row["line"], row["kind"], row["reason"]) for row in found.rows_bad] == [
        ("items.csv", 5, quarantine.NOT_A_NUMBER, f"price is {cell!r}, expected a number or nothing")
    ]
    assert columns(found.items) == EXPECTED


def test_a_missing_column_stops_at_once(log, read):
    with pytest.raises(ValueError, match=r"items\.csv, line 1: column 'about' is missing"):
        read(log("sku,name,brand,shelves,price\na,Mug,acme,,,\n"), **KNOBS)


@pytest.mark.parametrize(
    ("item_features", "message"),
    [
        ([SPECS[0], SPECS[0]], "brand more than once"),
        ([FeatureSpec(name="title", kind="text")], "title is the name of something else"),
        ([FeatureSpec(name="year", kind="text")], "year is MovieLens's own"),
        (
            [FeatureSpec(name=x, kind="multi", taste=True) for x in ("x", "y")],
            "tastes can be in one feature only",
        ),
        ([{"name": "price", "kind": "number", "tfidf": True}], "price: tfidf is for the kind multi"),
        ([{"name": "Price", "kind": "number"}], "should match pattern"),
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
