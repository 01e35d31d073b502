"""`details` against the catalogue as plain Python reads it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import contract
from components.common.features import FeatureSpec
from components.example_gen.records.schemas import items_schema
from components.index.carried import catalogue as catalogues
from components.index.details import Details
from contract import cells

SPECS = (
    FeatureSpec(name="brand", kind="categorical"),
    FeatureSpec(name="shelf", kind="multi"),
    FeatureSpec(name="price", kind="number"),
    FeatureSpec(name="about", kind="text"),
)
NAMES = ("item_id", "title", "genres", "rating_count", "rating_mean", "brand", "shelf", "price", "about")
WORDS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), max_size=3)
ITEM = st.fixed_dictionaries(
    {
        contract.TITLE: st.text(max_size=4),
        contract.YEAR: st.sampled_from([0, 1999, 2026]),
        contract.GENRES: WORDS,
        contract.TAGS: st.just([]),
        contract.RATING_COUNT: st.integers(0, 3),
        contract.RATING_MEAN: st.sampled_from([0.0, 3.5, np.float32(11 / 3)]),
        "brand": WORDS.map(lambda words: words[:1]),
        "shelf": WORDS,
        "price": st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=1),
        "about": st.text(max_size=4),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_it_answers_the_cells_of_the_catalogue(data):
    rows = [
        {contract.ITEM_ID: str(place), **item}
        for place, item in enumerate(data.draw(st.lists(ITEM, min_size=1, max_size=4)))
    ]
    catalogue = catalogues.from_items(pa.Table.from_pylist(rows, items_schema(SPECS)))
    details = Details(catalogue, SPECS, implicit=False)
    own = set(contract.ITEM_FEATURES) - {contract.TITLE, contract.YEAR, contract.GENRES, contract.TAGS}
    for name in (contract.TITLE, contract.YEAR, contract.GENRES, contract.TAGS):
        assert (name in details.columns) == any(row[name] for row in rows)
    assert {*own, "brand", "shelf", "price", "about"} <= set(details.columns)

    ids = [item.decode() for item in catalogue.ids]
    asked = data.draw(st.lists(st.integers(-1, len(ids) - 1), min_size=1, max_size=3))
    columns = data.draw(st.lists(st.sampled_from(["", *details.columns]), min_size=1, max_size=4))
    got = details(tf.constant([asked, asked]), tf.constant([columns, [""] * len(columns)])).numpy()
    assert (got[1] == b"").all()
    for place, row in enumerate(asked):
        for index, name in enumerate(columns):
            value = rows[int(ids[row])][name] if row >= 0 and name else ""
            check(name, got[0, place, index].decode(), value)


def check(name, text, value):
    if isinstance(value, str):
        assert text == value
    elif name in ("genres", "tags", "brand", "shelf"):
        assert cells.separated(text) == value
    elif name == contract.RATING_COUNT:
        assert text == str(value)
    else:
        value = value[0] if isinstance(value, list) and value else value or None
        assert (np.float32(text) == np.float32(value) and "e" not in text) if text else value is None


@given(WORDS)
def test_several_values_in_a_text_are_told_apart(values):
    assert cells.separated(cells.joined(values)) == values


def test_the_mean_of_ratings_is_for_data_with_ratings(world):
    catalogue = world.built[contract.MODEL].catalogue
    assert contract.RATING_MEAN not in Details(catalogue, (), implicit=True).columns
    assert contract.RATING_MEAN in Details(catalogue, (), implicit=False).columns


COLUMNS = [name.encode() for name in ("item_id", "title", "year", "genres", "rating_count", "rating_mean")]


def test_what_is_left_out_is_every_column(world):
    items = {item: row for row, item in enumerate(world.items[contract.ITEM_ID].to_pylist())}
    answer = world.built[contract.MODEL_EXACT].module.function(contract.DETAILS)
    got = answer(item_ids=tf.constant([[world.ids[3], ""], ["nonesuch", world.ids[0]]]))
    assert got[contract.COLUMNS].numpy().tolist() == [COLUMNS] * 2
    row = world.items.slice(items[world.ids[3]], 1).to_pylist()[0]
    values = got[contract.VALUES].numpy()
    assert values.shape == (2, 2, len(COLUMNS))
    assert [text.decode() for text in values[0, 0]] == [
        *(row[contract.ITEM_ID], row[contract.TITLE], str(row[contract.YEAR] or "")),
        *("|".join(row[contract.GENRES]), str(row[contract.RATING_COUNT]), "3.5"),
    ]
    assert (values[0, 1] == b"").all() and (values[1, 0] == b"").all()
    assert values[1, 1, 0].decode() == world.ids[0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["title", "colour"], "expected some of item_id, title, year, .*colour"),
        (["title"] * 7, "at most 6 in a row"),
    ],
)
def test_columns_that_cannot_be_asked_for_are_refused(world, columns, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        world.ask(contract.MODEL_EXACT, contract.DETAILS, item_ids=[["10"]], columns=[columns])


def test_the_stock_model_answers_in_a_tensorflow_without_scann(world, tmp_path):
    module = world.built[contract.MODEL_EXACT].module
    tf.saved_model.save(module, str(tmp_path / "m"), {contract.DETAILS: module.function(contract.DETAILS)})
    script = (
        "import sys, tensorflow as tf\n"
        "answer = tf.saved_model.load(sys.argv[1]).signatures['details']\n"
        "got = answer(item_ids=tf.constant([[sys.argv[2]], ['?']]), columns=tf.constant([['item_id']] * 2))\n"
        "assert 'scann' not in sys.modules\n"
        "print(got['values'].numpy().tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "m"), world.ids[5]], capture_output=True, text=True
    )
    assert done.stdout.strip() == f"[[[{world.ids[5].encode()!r}]], [[b'']]]", done.stderr
