"""What a model says of itself, against the catalogue that it was built of."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from google.protobuf import json_format, struct_pb2

import contract
from components.common.features import MOVIELENS, Features, FeatureSpec
from components.example_gen.records.schemas import items_schema
from components.index.carried import catalogue as catalogues
from components.index.carried.description import describe
from components.index.details import Details
from components.index.params import IndexParams
from contract.description import MAX_VALUES, Column, Description

SHOP = Features(
    feedback="implicit",
    item=(
        FeatureSpec(name="brand", kind="categorical", taste=True),
        FeatureSpec(name="tag", kind="multi"),
        FeatureSpec(name="price", kind="number"),
        FeatureSpec(name="about", kind="text"),
    ),
    user=(FeatureSpec(name="age", kind="number"),),
    item_noun="product",
    event_weights={"view": 0.25, "purchase": 1.0},
)
NOTHING = {contract.TITLE: "", contract.YEAR: 0, contract.GENRES: [], contract.TAGS: []}
RATED = {contract.RATING_COUNT: 1, contract.RATING_MEAN: 3.0}


def described(rows: list[dict], features: Features) -> Description:
    table = pa.Table.from_pylist(
        [{contract.ITEM_ID: str(place), **NOTHING, **RATED, **row} for place, row in enumerate(rows)],
        items_schema(features.item),
    )
    catalogue = catalogues.from_items(table)
    columns = Details(catalogue, features.item, features.implicit).columns
    params = IndexParams(default_k=7, max_k=30)
    return describe(contract.MODEL, "two_tower", catalogue, columns, 5, params, features)


@pytest.fixture(scope="module")
def shop() -> Description:
    many = [f"t{number}" for number in range(MAX_VALUES + 1)]
    rows = [{"brand": ["acme"], "tag": many, "price": [2.5], "about": "x"}]
    rows += [{"brand": [brand], "tag": [], "price": [], "about": ""} for brand in ("zeta", "zeta")]
    return described([*rows, {"brand": [], "tag": [], "price": [-1.0], "about": ""}], SHOP)


def test_columns_are_the_datas_own(shop):
    assert shop.columns == (
        Column(contract.ITEM_ID, "text"),
        Column(contract.RATING_COUNT, "number", low=1.0, high=1.0),
        Column("brand", "categorical", True, True, ("zeta", "acme")),
        Column("tag", "multi", True),
        Column("price", "number", True, low=-1.0, high=2.5),
        Column("about", "text"),
    )
    assert shop.user_columns == (Column("age", "number"),)
    assert shop.taste is not None and shop.taste.name == "brand"


def test_feedback_limits_and_defaults(shop):
    assert (shop.feedback, shop.rating_scale, shop.item_noun) == ("implicit", None, "product")
    assert shop.event_weights == {"view": 0.25, "purchase": 1.0}
    assert (shop.items, shop.known_users, shop.kind) == (4, 5, "two_tower")
    assert shop.limits["max_k"] == 30 and "max_known_users" not in shop.limits
    defaults = {
        signature: {each["name"]: each.get("default") for each in found["inputs"]}
        for signature, found in shop.signatures.items()
    }
    assert defaults[contract.RECOMMEND][contract.K] == 7
    assert defaults[contract.RECOMMEND][contract.EXCLUDE] == ""
    assert defaults[contract.DETAILS][contract.COLUMNS] == [column.name for column in shop.columns]
    assert shop.scale is None
    for name, signature in contract.SIGNATURES_OF_WEIGHTS.items():
        found = shop.signatures[name]
        assert [(each["name"], each["required"]) for each in found["inputs"]] == [
            (item.name, item.required) for item in signature.inputs
        ]
        assert [each["name"] for each in found["outputs"]] == [item.name for item in signature.outputs]
    assert shop.signatures[contract.DETAILS]["outputs"][1]["shape"] == ["B", "M", "L"]


def test_ratings_are_mapped_from_the_scale_of_the_data_and_back():
    found = described([{}], Features(item=MOVIELENS, rating_scale=(0, 100)))
    found = Description.of(json.loads(json.dumps(found.to_dict())))
    assert found.rating_scale == (contract.MIN_RATING, contract.MAX_RATING)
    assert found.scale is not None
    assert [found.scale.stars(rating) for rating in (0, 50, 100)] == pytest.approx([0.5, 2.75, 5])
    assert found.scale.rating(2.75) == pytest.approx(50)


def test_of_movielens_columns_those_that_hold_something():
    rows = [{contract.YEAR: 1999, contract.GENRES: ["Drama"]}, {contract.TITLE: "A"}]
    found = described(rows, Features(item=MOVIELENS, item_noun="movie"))
    assert [column.name for column in found.columns] == [
        *(contract.ITEM_ID, contract.TITLE, contract.YEAR, contract.GENRES),
        *(contract.RATING_COUNT, contract.RATING_MEAN),
    ]
    assert found.columns[2] == Column(contract.YEAR, "year", True, low=1999.0, high=1999.0)
    assert found.rating_scale == found.data_rating_scale == (contract.MIN_RATING, contract.MAX_RATING)


def test_it_comes_back_from_json_and_from_a_message(shop):
    text = json.dumps(shop.to_dict())
    assert Description.of(json.loads(text)) == shop
    message = json_format.ParseDict(json.loads(text), struct_pb2.Struct())
    assert Description.of(json_format.MessageToDict(message)) == shop


@pytest.mark.parametrize("spoilt", [{}, {"columns": 3}, {"items": "many"}])
def test_something_else_is_no_description(shop, spoilt):
    document = {**shop.to_dict(), **spoilt} if spoilt else {}
    with pytest.raises((KeyError, TypeError, ValueError)):
        Description.of(document)
