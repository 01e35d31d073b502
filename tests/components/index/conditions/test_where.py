"""Conditions on a catalogue's own columns, and items described by them, against plain Python."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import contract
from components.common.features import MOVIELENS, FeatureSpec, inputs
from components.index.conditions import attributes
from components.index.conditions.conditions import Conditions

SPECS = (
    FeatureSpec(name="brand", kind="categorical"),
    FeatureSpec(name="shelf", kind="multi"),
    FeatureSpec(name="price", kind="number"),
    FeatureSpec(name="about", kind="text"),
    FeatureSpec(name="year", kind="number"),
)
ITEMS = [
    {"brand": ["acme"], "shelf": ["cups", "blue"], "price": [19.5], "year": 1999},
    {"brand": [], "shelf": [], "price": [], "year": 0},
    {"brand": ["zeta"], "shelf": ["wear"], "price": [-3.0], "year": 2010},
    {"brand": ["a=b <=c"], "shelf": ["blue"], "price": [0.0], "year": 2010},
    {"brand": ["acme"], "shelf": ["wear", "blue", "cups"], "price": [20.0], "year": 1999},
]
ASKED = [
    [],
    ["brand=acme"],
    ["price<=+2.e1", "price>=-.5"],
    ["brand=acme", " Brand = zeta"],
    ["brand=nobody"],
    ["brand=nobody", "brand=zeta"],
    ["brand=a=b <=c"],
    ["shelf=blue", "brand=acme"],
    ["shelf=wear", "shelf=cups"],
    ["price<=19.5"],
    ["price>=0", " price <= 20 "],
    ["price=20"],
    ["price>=30", "price<=10"],
    ["price<=1e9"],
    ["year>=2000", "brand=zeta"],
    ["year<=2005"],
    ["brand="],
    ["brand!=acme"],
    ["shelf!=blue", " shelf != cups"],
    ["shelf=wear", "shelf!=cups", "brand!=nobody"],
    ["price!=20", "price!=-3"],
    ["price>=0", "price!=19.5", "year!=2010"],
    ["brand!=acme", "price<=0", "year=2010"],
]


def meets(item, conditions):
    wanted = {}
    for text in conditions:
        spaced = {
            " price <= 20 ": "price<=20",
            " Brand = zeta": "brand=zeta",
            " shelf != cups": "shelf!=cups",
        }
        text = spaced.get(text, text)
        operator = next(sign for sign in ("<=", ">=", "!=", "=") if sign in text.split("=")[0] + "=")
        name, value = text.split(operator, 1)
        if operator != "!=":
            wanted.setdefault(name, []).append((operator, value))
        elif name in ("price", "year"):
            if float(value) in np.atleast_1d(item[name]):
                return False
        elif value in item[name]:
            return False
    for name, asked in wanted.items():
        if name in ("price", "year"):
            values = [x for x in np.atleast_1d(item[name]) if name == "price" or x]
            ok = bool(values) and all(
                {"<=": values[0] <= float(v), ">=": values[0] >= float(v), "=": values[0] == float(v)}[op]
                for op, v in asked
            )
        else:
            ok = any(v in item[name] for _, v in asked)
        if not ok:
            return False
    return True


@pytest.fixture(scope="module")
def conditions():
    table = pa.table(
        {
            name: pa.array([item[name] for item in ITEMS], type_)
            for name, type_ in (
                ("brand", pa.large_list(pa.large_string())),
                ("shelf", pa.large_list(pa.large_string())),
                ("price", pa.large_list(pa.float32())),
                ("year", pa.int64()),
            )
        }
    )
    return Conditions(table, SPECS)


@pytest.mark.parametrize("batch", [ASKED, ASKED[:1], [["brand=acme", ""]] * 3, []])
def test_a_batch_of_conditions_equals_plain_python(conditions, batch):
    where = tf.ragged.constant(batch, tf.string, ragged_rank=1).to_tensor("")
    asked = conditions.ask(where)
    expected = np.array([[meets(item, [c for c in row if c]) for item in ITEMS] for row in batch], bool)
    expected = expected.reshape(len(batch), len(ITEMS))
    assert bool(asked.any()) == any(c for row in batch for c in row)
    if not asked.any():
        return
    block = conditions.allow_block(asked, tf.constant(0), tf.constant(len(ITEMS)))
    np.testing.assert_array_equal(block, expected)
    np.testing.assert_array_equal(
        conditions.allow_block(asked, tf.constant(1), tf.constant(3)), expected[:, 1:3]
    )
    rows = np.tile([4, 0, 0, 2], (len(batch), 1)).astype(np.int32)
    np.testing.assert_array_equal(conditions.allow_rows(asked, tf.constant(rows)), expected[:, [4, 0, 0, 2]])
    for row, allowed in enumerate(expected):
        one = asked.take(tf.constant([row]))
        if one.choice.size < len(ITEMS):
            listed = conditions.listed(one).numpy()
            assert sorted(set(listed)) == listed.tolist() and set(np.nonzero(allowed)[0]) <= set(listed)
            assert len(listed) <= one.choice.size
    if len(batch) > 2:
        np.testing.assert_array_equal(
            conditions.allow_block(asked.take(tf.constant([2, 0])), tf.constant(0), tf.constant(5)),
            expected[[2, 0]],
        )


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            "colour=red",
            "COLUMN!=VALUE for brand, shelf and COLUMN<=NUMBER.*for price, year, got.*colour=red",
        ),
        ("about=mug", "got.*about=mug"),  # a text does not filter
        ("brand<=acme", "got.*brand<=acme"),
        ("acme", "got.*acme"),
        ("price>20", "got.*price>20"),
        ("price!=dear", "COLUMN!=NUMBER.*got.*price!=dear"),
        ("brand!", "got.*brand!"),
        ("price<=dear", "COLUMN<=NUMBER.*got.*price<=dear"),
        ("price<=nan", "got.*price<=nan"),
        ("price<=", "got.*price<="),
        (
            "price<=1e99",
            "a bound must be a finite number as float32 has them, got.*price<=1e99.*write it in digits",
        ),
    ],
)
def test_a_condition_that_is_none_is_refused(conditions, condition, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"(?s){message}"):
        conditions.ask(tf.constant([["brand=acme", condition]]))


PAIRS = [
    ({"where": ["genres=Horror"]}, {"genres": ["Horror"]}),
    (
        {"where": ["genres=Horror", "genres=Comedy", "year>=1990"]},
        {"genres": ["Horror", "Comedy"], "year_min": 1990},
    ),
    ({"where": ["year<=1960"]}, {"year_max": 1960}),
    ({"where": ["year<=2000"], "genres": ["Drama"]}, {"year_max": 2000, "genres": ["Drama"]}),
    ({"where": ["genres=Telenovela"]}, {"genres": ["Telenovela"]}),
    ({}, {}),
]  # fmt: skip


@pytest.mark.parametrize("model", contract.MODELS)
def test_conditions_on_movielens_columns_are_its_own_filters(world, model):
    """Both in one batch each: a row must not be changed by its neighbours."""

    def ask(signature, rows):
        names = {name for row in rows for name in row}
        neutral = {"where": [], "genres": [], "year_min": 0, "year_max": 0}
        given = {name: [row.get(name, neutral[name]) for row in rows] for name in names}
        history = [world.ids[i : i + 3] for i in range(len(rows))]
        return world.ask(model, signature, history_item_ids=history, **given)

    got = ask(contract.RECOMMEND, [pair[0] for pair in PAIRS])
    wanted = ask(contract.RECOMMEND, [pair[1] for pair in PAIRS])
    np.testing.assert_array_equal(got[contract.ITEM_IDS], wanted[contract.ITEM_IDS])
    np.testing.assert_allclose(got[contract.SCORES], wanted[contract.SCORES], atol=1e-6)
    assert len({row.tobytes() for row in got[contract.ITEM_IDS]}) == len(PAIRS)


def test_attributes_become_the_towers_inputs():
    others = [i for i in contract.ITEM_INPUTS if i.name in ("year", "genres")]
    own = inputs((*MOVIELENS, *SPECS))
    said = [
        ["brand=acme", "shelf=cups", "price=19.5", "shelf=blue", "about=A mug,\nblue"],
        ["", " price = -3 ", "brand=a", "brand=b"],
        ["year=1999", "genres=Drama"],
        [],
    ]
    got = attributes.read(tf.ragged.constant(said).to_tensor(""), [*others, *own])
    unknown = np.float32(contract.UNKNOWN_NUMBER)
    assert got["brand"].numpy().tolist() == [b"acme", b"b", b"", b""]
    assert got["price"].numpy().tolist() == [19.5, -3.0, unknown, unknown]
    assert got["about"].numpy().tolist() == [b"A mug,\nblue", b"", b"", b""]
    assert got["year"].numpy().tolist() == [0, 0, 1999, 0]
    assert [[x for x in row if x] for row in got["shelf"].numpy().tolist()] == [
        [b"cups", b"blue"],
        [],
        [],
        [],
    ]
    assert [[x for x in row if x] for row in got["genres"].numpy().tolist()] == [[], [], [b"Drama"], []]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6).map(str.strip)
VALUES = {
    "brand": TEXTS,
    "shelf": TEXTS,
    "about": TEXTS,
    "price": st.floats(-1e6, 1e6, width=32).map(repr),
}
SAID = st.sampled_from(sorted(VALUES)).flatmap(lambda name: st.tuples(st.just(name), VALUES[name]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(SAID, max_size=5), min_size=1, max_size=4), st.sampled_from(["", " ", "\t"]))
def test_attributes_of_any_rows_equal_plain_numpy(said, blank):
    """Of an input with columns all values count, of any other the last one said."""
    rows = [[f"{blank}{name}{blank}={blank}{value}{blank}" for name, value in row] for row in said]
    got = attributes.read(tf.ragged.constant(rows, tf.string, ragged_rank=1).to_tensor(""), inputs(SPECS))

    def of(row, name):
        return [value for other, value in row if other == name]

    for name in ("brand", "about"):
        wanted = [(of(row, name) or [""])[-1] for row in said]
        assert [value.decode() for value in got[name].numpy()] == wanted
    prices = [float((of(row, "price") or [contract.UNKNOWN_NUMBER])[-1]) for row in said]
    np.testing.assert_array_equal(got["price"], np.array(prices, np.float32))
    for row, found in zip(said, got["shelf"].numpy(), strict=True):
        assert [value.decode() for value in found if value] == [value for value in of(row, "shelf") if value]


@pytest.mark.parametrize("wrong", ["colour=red", "brand", "=x", "tags=x"])
def test_an_attribute_of_nothing_is_refused(wrong):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="expected NAME=VALUE of brand, shelf, price, about"
    ):
        attributes.read(tf.constant([["brand=acme", wrong]]), inputs(SPECS))


@pytest.mark.parametrize("number", ["nan", "inf", "-Infinity", "1e50"])
def test_a_number_that_is_not_finite_is_refused(number):
    message = f"(?s)attributes: price must be a finite number, got.*{number}"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        attributes.read(tf.constant([["brand=acme", f"price={number}"]]), inputs(SPECS))


def test_an_item_is_embedded_as_the_item_it_is_described_as(world):
    wanted = world.towers.embed_item(
        item_id=tf.constant(["new", world.ids[3]]),
        year=tf.constant([1999, 0], tf.int64),
        genres=tf.constant([["Drama"], [""]]),
        tags=tf.constant([[""], [""]]),
        rating_count=tf.constant([0, 0], tf.int64),
    )
    got = world.ask(
        contract.MODEL,
        contract.EMBED_ITEM,
        item_id=["new", world.ids[3]],
        attributes=[["year=1999", "genres=Drama"], []],
    )
    np.testing.assert_allclose(got[contract.EMBEDDING], wanted, atol=1e-6)
