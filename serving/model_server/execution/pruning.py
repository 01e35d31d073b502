"""A SavedModel's graph cut down to what some of its signatures run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from tensorflow.core.framework import attr_value_pb2, function_pb2, graph_pb2
from tensorflow.core.protobuf import meta_graph_pb2

# SavedModel's own: the initialiser, and what is restored.
_RESERVED = "__saved_model"


def keep_signatures(graph: meta_graph_pb2.MetaGraphDef, signatures: Collection[str]) -> None:
    """Drops the other signatures, and the nodes and functions that nothing left needs.

    Variables, tables and assets stay: restoring and initialising are kept whole. Loading takes
    time by the size of the graph, of which one signature is a small part.

    Args:
      graph: cut in place.
      signatures: keys of those to keep.

    Raises:
      KeyError: the graph has no such signature.
    """
    for name in signatures:
        if name not in graph.signature_def:
            raise KeyError(name)
    for name in set(graph.signature_def) - set(signatures):
        if not name.startswith(_RESERVED):
            del graph.signature_def[name]
    nodes = _reachable(graph)
    functions = _called(graph, nodes)
    definition = graph.graph_def
    # A field of messages is emptied before it is filled: what is kept is copied out first.
    kept = [node for node in definition.node if node.name in nodes]
    bodies = [body for body in definition.library.function if body.signature.name in functions]
    cut = meta_graph_pb2.MetaGraphDef().graph_def
    cut.node.extend(kept)
    cut.library.function.extend(bodies)
    del definition.node[:], definition.library.function[:]
    definition.node.extend(cut.node)
    definition.library.function.extend(cut.library.function)


def _reachable(graph: meta_graph_pb2.MetaGraphDef) -> set[str]:
    """Names of the nodes that the signatures left, the saver and the assets need."""
    tensors = [
        info.name
        for signature in graph.signature_def.values()
        for info in (*signature.inputs.values(), *signature.outputs.values())
    ]
    saver = graph.saver_def
    tensors += [saver.filename_tensor_name, saver.save_tensor_name, saver.restore_op_name]
    tensors += [asset.tensor_info.name for asset in graph.asset_file_def]
    for collection in graph.collection_def.values():
        tensors += collection.node_list.value
    inputs = {node.name: node.input for node in graph.graph_def.node}
    found: set[str] = set()
    waiting = [_node(name) for name in tensors if name]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += map(_node, inputs.get(name, ()))
    return found


def _called(graph: meta_graph_pb2.MetaGraphDef, nodes: set[str]) -> set[str]:
    """Names of the functions that these nodes call, directly or through others."""
    bodies = {body.signature.name: body for body in graph.graph_def.library.function}
    gradients = {g.function_name: g.gradient_func for g in graph.graph_def.library.gradient}
    found: set[str] = set()
    waiting = list(_functions(node for node in graph.graph_def.node if node.name in nodes))
    while waiting:
        name = waiting.pop()
        if name in bodies and name not in found:
            found.add(name)
            waiting += _functions(bodies[name].node_def)
            waiting += [gradients[name]] if name in gradients else []
    return found


def _functions(nodes: Iterable[object]) -> Iterator[str]:
    """What may be a function's name in some nodes: an attribute's, or the operation itself."""
    for node in nodes:
        yield node.op  # type: ignore[attr-defined]
        for value in node.attr.values():  # type: ignore[attr-defined]
            yield from _named(value)


def _named(value: attr_value_pb2.AttrValue) -> Iterator[str]:
    kind = value.WhichOneof("value")
    if kind == "func":
        yield value.func.name
    elif kind == "list":
        yield from (function.name for function in value.list.func)


def _node(tensor: str) -> str:
    """ "^initialise" or "scores:0" -> the node's name."""
    return tensor.removeprefix("^").partition(":")[0]


def apart(graph: graph_pb2.GraphDef) -> list[function_pb2.FunctionDef]:
    """Functions that must not be inlined, and those that they call."""
    bodies = {body.signature.name: body for body in graph.library.function}
    waiting = [name for name, body in bodies.items() if body.attr["_noinline"].b]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in bodies and name not in found:
            found.add(name)
            waiting += _functions(bodies[name].node_def)
    return [bodies[name] for name in found]
