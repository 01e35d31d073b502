"""Search among what conditions leave, beside a walk through the whole catalogue."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import contract
from components.common.features import FeatureSpec
from components.index.conditions.conditions import Conditions
from components.index.search.candidates import Seen
from components.index.search.exact import ExactSearch
from components.index.search.listed import ListedSearch
from components.index.search.selective import SelectiveSearch

SPECS = (FeatureSpec(name="brand", kind="categorical"), FeatureSpec(name="price", kind="number"))
BRANDS = [["acme"], ["zeta"], [], ["acme"], ["other"]]
WHERE = [
    ["brand!=acme"],
    ["brand!=acme", "brand!=other", "price!=2"],
    ["brand=acme"],
    ["brand=acme", "price<=2"],
    ["brand!=acme", "price>=1"],
    ["brand=nobody"],
    [],
]


@pytest.mark.parametrize("items", [5, 40, 2000])  # far fewer than what is looked at one by one, and more
def test_conditions_of_any_form_leave_what_exact_search_leaves(items):
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            contract.ITEM_ID: [f"i{row}" for row in range(items)],
            "brand": pa.array([BRANDS[row % 5] for row in range(items)], pa.list_(pa.string())),
            "price": pa.array([[float(row % 4)] for row in range(items)], pa.list_(pa.float32())),
        }
    )
    conditions = Conditions(table, SPECS)
    embeddings = tf.Variable(rng.normal(size=(items, 4)).astype(np.float32))
    exact = ExactSearch(embeddings, conditions, 1 << 20)
    listed = ListedSearch(embeddings, tf.Variable(tf.zeros([items])), conditions)
    selective = SelectiveSearch(exact, listed, conditions, items)

    width = max(map(len, WHERE))
    wanted = conditions.ask(tf.constant([[*row, *[""] * (width - len(row))] for row in WHERE]))
    batch = len(WHERE)
    queries = tf.constant(rng.normal(size=(batch, 4)).astype(np.float32))
    seen = Seen.of(tf.fill([batch, 1], 2))
    asked = (queries, wanted, seen, tf.fill([batch], items), tf.constant(items), items)
    found, expected = selective(*asked), exact(*asked)
    for row in range(batch):
        of_found, of_expected = (
            result.rows[row].numpy()[result.present[row].numpy()].tolist() for result in (found, expected)
        )
        assert of_found == of_expected, WHERE[row]
    assert found.present[0].numpy().sum() == sum(BRANDS[row % 5] != ["acme"] for row in range(items)) - 1
