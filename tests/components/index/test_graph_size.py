"""How many operations each signature has: what an input costs a request that does not give it."""

from __future__ import annotations

import pytest

import contract

# Of the graph that every request runs through, and of all functions beside it: conditions, counts and
# named items are in functions that a request without them skips. A change that stays within its bound
# needs no change here; one that does not says why in its message.
BOUNDS = {
    contract.SERVING_DEFAULT: (430, 800),
    contract.RECOMMEND: (1000, 4600),
    contract.RECOMMEND_EXACT: (1000, 4300),
    contract.RECOMMEND_USER: (430, 760),
    contract.SIMILAR: (280, 340),
    contract.RATE: (300, 300),
    contract.EXPLAIN: (340, 630),
    contract.DETAILS: (200, 200),
    contract.EMBED_QUERY: (280, 270),
    contract.EMBED_ITEM: (220, 120),
    contract.EVALUATE: (610, 1110),
}


@pytest.mark.parametrize("name", contract.SIGNATURES)
def test_a_signature_has_no_more_operations_than(world, name):
    function = world.functions.setdefault(
        (contract.MODEL, name), world.built[contract.MODEL].module.function(name)
    )
    graph = function.get_concrete_function().graph.as_graph_def()
    beside = sum(len(function.node_def) for function in graph.library.function)
    most, most_beside = BOUNDS[name]
    assert len(graph.node) <= most
    assert beside <= most_beside
