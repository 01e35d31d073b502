"""Conditions as people type them; what meets them is what the model lets through."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from components.common.features import FeatureSpec
from components.index.conditions.conditions import Conditions
from pipeline.ask import where
from pipeline.errors import InputError

SPECS = (
    FeatureSpec(name="brand", kind="categorical"),
    FeatureSpec(name="shelf", kind="multi"),
    FeatureSpec(name="price", kind="number"),
    FeatureSpec(name="year", kind="number"),
    FeatureSpec(name="about", kind="text"),
)
ITEMS = [
    {"brand": ["acme"], "shelf": ["cups", "blue"], "price": [19.99], "year": 1999},
    {"brand": [], "shelf": [], "price": [], "year": 0},
    {"brand": ["zeta"], "shelf": ["wear"], "price": [-3.0], "year": 2010},
]


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["brand=acme"],
        ["Brand = acme ", "brand=zeta"],
        ["brand=acme", "shelf=wear"],
        ["shelf=blue", "shelf=wear"],
        ["price<=19.99"],
        ["price>=19.99"],
        ["price >= -3", "price<=0"],
        ["price=19.99"],
        ["year<=2005"],
        ["year>=2000", "brand=zeta"],
        ["brand=nobody"],
        ["brand="],
    ],
)
def test_what_meets_a_condition_is_what_the_model_lets_through(texts):
    conditions = where.parse(texts, SPECS)
    types = {"year": pa.int64(), "price": pa.large_list(pa.float32())}
    table = pa.table(
        {name: pa.array([item[name] for item in ITEMS], types.get(name, pa.large_list(pa.large_string())))
         for name in ITEMS[0]}
    )  # fmt: skip
    model = Conditions(table, SPECS)
    asked = model.ask(tf.constant([[str(condition) for condition in conditions] or [""]]))
    allowed = model.allow_block(asked, tf.constant(0), tf.constant(len(ITEMS))).numpy()[0]
    np.testing.assert_array_equal([where.meets(item, conditions) for item in table.to_pylist()], allowed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "acme",
            r'"acme": expected COLUMN=VALUE, COLUMN<=NUMBER or COLUMN>=NUMBER of brand, shelf, price \(a',
        ),
        ("brnd=acme", "no column of this model's items is called brnd; did you mean brand"),
        ("colour=red", r"called colour; there are brand, shelf, price \(a number: <= or >=\), year"),
        ("about=mug", "called about"),  # a text does not filter
        ("price<=dear", 'price is a number; expected one, got "dear"'),
        ("price=nan", 'price is a number; expected one, got "nan"'),
        ("brand<=acme", "brand has values, not numbers; expected brand=VALUE"),
    ],
)
def test_what_is_no_condition_is_refused_with_what_is(text, message):
    with pytest.raises(InputError, match=message):
        where.parse([text], SPECS)


def test_without_a_catalogue_any_column_is_taken():
    assert [str(c) for c in where.parse(["anything=x", "other <= 3"], None)] == ["anything=x", "other<=3"]
