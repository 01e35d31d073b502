"""Which functions of a graph are apart from the signatures' own path."""

from __future__ import annotations

from tensorflow.core.framework import graph_pb2

from serving.model_server.execution.pruning import apart


def test_what_is_not_inlined_is_apart_and_so_is_what_it_calls() -> None:
    graph = graph_pb2.GraphDef()
    calls = {"plain": ["rare", "shared"], "rare": ["deep"], "deep": ["shared"], "shared": [], "other": []}
    for name, called in calls.items():
        body = graph.library.function.add()
        body.signature.name = name
        for number, function in enumerate(called):
            node = body.node_def.add(name=f"call_{number}", op="StatefulPartitionedCall")
            node.attr["f"].func.name = function
    next(body for body in graph.library.function if body.signature.name == "rare").attr["_noinline"].b = True

    found = apart(graph)

    assert sorted(body.signature.name for body in found) == ["deep", "rare", "shared"]
    found[0].attr["_tf_data_function"].b = True  # they are the graph's own, not copies
    assert sum("_tf_data_function" in body.attr for body in graph.library.function) == 1
