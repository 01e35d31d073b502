"""How many operations each signature has: what an input costs a request that does not give it."""

from __future__ import annotations

import pytest

import contract

# Of the graph that every request runs through (with a little room), and of all functions beside it:
# conditions, counts, named items and the words of a refusal are in functions that a request without
# them skips. `recommend` had 772 and 1,342 before it took any of these, and no conditions.
BOUNDS = {
    contract.SERVING_DEFAULT: (340, 790),
    contract.RECOMMEND: (350, 5600),
    contract.RECOMMEND_EXACT: (350, 5100),
    contract.RECOMMEND_USER: (380, 720),
    contract.SIMILAR: (240, 430),
    contract.RATE: (100, 550),
    contract.EXPLAIN: (140, 880),
    contract.DETAILS: (130, 130),
    contract.EMBED_QUERY: (100, 510),
    contract.EMBED_ITEM: (210, 240),
    contract.EVALUATE: (610, 1140),
}


@pytest.mark.parametrize("name", contract.SIGNATURES)
def test_a_signature_has_no_more_operations_than(world, name):
    graph = world.function(contract.MODEL, name).get_concrete_function().graph.as_graph_def()
    beside = sum(len(function.node_def) for function in graph.library.function)
    most, most_beside = BOUNDS[name]
    assert len(graph.node) <= most
    assert beside <= most_beside
