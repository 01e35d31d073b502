"""How many operations each signature has: what an input costs a request that does not give it."""

from __future__ import annotations

import pytest

import contract

# Of the graph that every request runs through (with a little room), and of all functions beside it:
# conditions, counts, named items and the words of a refusal are in functions that a request without
# them skips. `recommend` had 772 and 1,342 before it took any of these, and no conditions.
BOUNDS = {
    contract.SERVING_DEFAULT: (340, 820),
    contract.RECOMMEND: (350, 4950),
    contract.RECOMMEND_EXACT: (350, 4750),
    contract.RECOMMEND_USER: (380, 730),
    contract.SIMILAR: (240, 445),
    contract.RATE: (100, 550),
    contract.EXPLAIN: (140, 880),
    contract.DETAILS: (130, 130),
    contract.EMBED_QUERY: (100, 510),
    contract.EMBED_ITEM: (210, 240),
    contract.EVALUATE: (490, 720),
}


@pytest.mark.parametrize("name", contract.SIGNATURES)
def test_a_signature_has_no_more_operations_than(world, name):
    graph = world.function(contract.MODEL, name).get_concrete_function().graph.as_graph_def()
    beside = sum(len(function.node_def) for function in graph.library.function)
    most, most_beside = BOUNDS[name]
    assert len(graph.node) <= most
    assert beside <= most_beside


def test_what_few_requests_need_stands_once_for_both_kinds_of_search(world):
    """A server's start takes time and memory by the size of all graphs together."""
    sizes = {}
    for name in (contract.RECOMMEND, contract.RECOMMEND_EXACT):
        graph = world.function(contract.MODEL, name).get_concrete_function().graph.as_graph_def()
        sizes[name] = {each.signature.name: len(each.node_def) for each in graph.library.function}
    recommend, exact = sizes.values()
    own = sum(size for name, size in exact.items() if name not in recommend)
    assert sum(exact.values()) > 4000
    assert own <= 250
