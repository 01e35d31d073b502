"""A loaded SavedModel: a TensorFlow session and one callable per signature and outputs."""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import gc
import importlib.util
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, rewriter_config_pb2
from tensorflow.python.client import pywrap_tf_session, session
from tensorflow.python.framework import errors_impl, ops
from tensorflow.python.saved_model import loader_impl

import contract
from contract import refusals
from serving.model_server.execution.pruning import apart, keep_signatures
from serving.protocol import dtypes, tensors
from serving.protocol.errors import Code, StatusError

# Callables kept per model beyond those that compute all outputs of a signature: which
# outputs a request names is the client's choice, and each choice has a graph of its own.
_MAX_CALLABLES = 64

# The contract's names of types.
_NUMBERS: Mapping[str, int] = {
    "string": types_pb2.DT_STRING,
    "float32": types_pb2.DT_FLOAT,
    "int32": types_pb2.DT_INT32,
    "int64": types_pb2.DT_INT64,
}

# glibc's; another C library has neither.
_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
_mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
_M_MXFAST = 1


@dataclasses.dataclass(frozen=True)
class RuntimeOptions:
    """How sessions are made.

    Attributes:
      tags: of the MetaGraphDef to load.
      intra_op_threads: threads that one op may use (shared by all models of
        the process; the first session fixes it).
      inter_op_threads: threads that run ops of a request side by side; -1 runs
        them in the thread that asks.
      signatures: keys of those to load, as what one command asks needs no others; none for all.
    """

    tags: tuple[str, ...] = ("serve",)
    intra_op_threads: int = 1
    inter_op_threads: int = -1
    signatures: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """An input or output of a signature.

    Attributes:
      name: of the tensor in the graph.
      dtype: tensorflow.DataType number.
      shape: sizes, None where unknown; None altogether for an unknown rank.
    """

    name: str
    dtype: int
    shape: tuple[int | None, ...] | None


@dataclasses.dataclass(frozen=True)
class Signature:
    """One SignatureDef."""

    key: str
    method_name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    proto: meta_graph_pb2.SignatureDef

    @functools.cached_property
    def output_names(self) -> tuple[str, ...]:
        return tuple(self.outputs)

    @functools.cached_property
    def contract(self) -> contract.Signature | None:
        """The contract's signature that this one is; None for any other model's."""
        for implicit in (False, True):
            found = contract.signatures(implicit).get(self.key)
            if found and _same(found.inputs, self.inputs) and _same(found.outputs, self.outputs):
                return found
        return None

    @functools.cached_property
    def ranks(self) -> Mapping[str, int]:
        """Dimensions of the inputs of a signature of the contract; of any other's none are said."""
        return {item.name: len(item.shape(0)) for item in self.contract.inputs} if self.contract else {}

    @functools.cached_property
    def arrays(self) -> tuple[tuple[str, int | None, np.dtype | None], ...]:
        """Of each input its name, its dimensions where `ranks` says them, and its type in this process."""
        found = []
        for name, info in self.inputs.items():
            known = dtypes.BY_NUMBER.get(info.dtype)
            found.append((name, self.ranks.get(name), None if known is None else known.numpy))
        return tuple(found)

    @functools.cached_property
    def defaults(self) -> Mapping[str, np.ndarray]:
        """Values of inputs that a request may leave out."""
        return {name: tensors.decode(proto) for name, proto in self.proto.defaults.items()}


class Model:
    """A SavedModel in memory, run from any number of threads. Made by `load`, given back by `close`."""

    def __init__(self, path: str, sess: session.Session, signatures: Mapping[str, Signature]) -> None:
        self.path = path
        self.signatures = MappingProxyType(dict(signatures))
        self._session: Any = sess
        self._callables: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: str, options: RuntimeOptions | None = None) -> Model:
        """Reads, restores and initialises a SavedModel. Blocks for seconds.

        Raises:
          StatusError: there is none, it lacks the tags or a signature, or TensorFlow refuses it.
        """
        options = options or RuntimeOptions()
        _free_at_once()
        try:
            loader = loader_impl.SavedModelLoader(path)
        except OSError as error:
            raise StatusError(Code.NOT_FOUND, str(error)) from error
        graphs = [g for g in loader.saved_model.meta_graphs if set(g.meta_info_def.tags) == set(options.tags)]
        if not graphs:
            tags = [sorted(g.meta_info_def.tags) for g in loader.saved_model.meta_graphs]
            raise StatusError(
                Code.NOT_FOUND,
                "Could not find meta graph def matching supplied tags: "
                f"{{ {' '.join(options.tags)} }} in {path}, which has {tags}",
            )
        if options.signatures:
            try:
                keep_signatures(graphs[0], options.signatures)
            except KeyError as error:
                raise StatusError(Code.NOT_FOUND, f"{path} has no signature {error}") from error
        _register_ops(graphs[0])
        config = config_pb2.ConfigProto(
            allow_soft_placement=True,
            intra_op_parallelism_threads=options.intra_op_threads,
            inter_op_parallelism_threads=options.inter_op_threads,
        )
        _leave_as_saved(config, graphs[0])
        graph = ops.Graph()
        sess = session.Session(graph=graph, config=config)
        try:
            with graph.as_default():
                loader.load(sess, list(options.tags))
        except errors_impl.OpError as error:
            sess.close()
            raise _status_error(error) from error
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            sess.close()
            raise StatusError(Code.INVALID_ARGUMENT, f"{path}: {error}") from error
        signatures = _signatures(graphs[0])
        # The messages of the graph are a fifth of what loading takes.
        del graphs, loader
        give_back_memory()
        return cls(path, sess, signatures)

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Runs one signature; strings are object arrays of bytes.

        Args:
          signature: key in `signatures`.
          inputs: exactly the signature's inputs, of their types.
          outputs: which outputs to compute.

        Raises:
          StatusError: with the code and text of the operation that failed.
        """
        names = tuple(outputs)
        # Without the lock: a callable that is dropped meanwhile lives as long as this run.
        call = self._callables.get((signature, names)) or self._callable(signature, names)
        feeds = [inputs[name] for name in self.signatures[signature].inputs]
        try:
            return {name: _array(found) for name, found in zip(names, call(*feeds), strict=True)}
        except errors_impl.OpError as error:
            raise self._refused(signature, Code(error.error_code), error.message) from error
        except UnicodeDecodeError as error:
            # TensorFlow quotes the bytes it refuses, and its Python layer fails to read its own text:
            # the code is lost with it, the text is what could not be read.
            text = bytes(error.object).decode("utf-8", "backslashreplace")
            raise self._refused(signature, Code.INVALID_ARGUMENT, text) from error

    def _refused(self, signature: str, code: Code, message: str) -> StatusError:
        """An error of the graph. Of a signature of ours a caller knows no node: they are left out."""
        ours = self.signatures[signature].contract is not None
        return StatusError(code, refusals.plain(message) if ours else message)

    def _callable(self, signature: str, outputs: tuple[str, ...]) -> Any:
        found = self.signatures[signature]
        with self._lock:
            call = self._callables.get((signature, outputs))
            if call is None:
                call = self._session._make_callable_from_options(
                    config_pb2.CallableOptions(
                        feed=[info.name for info in found.inputs.values()],
                        fetch=[found.outputs[name].name for name in outputs],
                    )
                )
                self._callables[signature, outputs] = call
                self._drop_oldest()
            return call

    def _drop_oldest(self) -> None:
        chosen = [key for key in self._callables if len(key[1]) < len(self.signatures[key[0]].outputs)]
        for key in chosen[:-_MAX_CALLABLES]:
            del self._callables[key]

    def close(self) -> None:
        """Gives the memory back. No `run` may be under way, none may follow."""
        self._callables.clear()
        graph = self._session.graph
        self._session.close()
        self._session = None
        # Its operations and the graph refer to each other: the garbage collector
        # would come by some swaps later, after another copy of the graph for each.
        ops.dismantle_graph(graph)
        del graph
        # What else loading left in cycles, a quarter of a megabyte a model: Python's own search would hardly
        # ever come for it (serving/collector.py).
        gc.collect()
        give_back_memory()


def give_back_memory() -> None:
    """Returns freed pages to the system, which the C library would keep for the next model."""
    if _malloc_trim is not None:
        _malloc_trim(0)


def _free_at_once() -> None:
    """Has the C library join a freed piece of memory with its neighbours at once, in this process.

    It would keep small ones apart and go through all of them whenever a large piece is freed. Making
    a graph frees millions of small pieces and many large ones: that took a quarter of a model's start.
    """
    if _mallopt is not None:
        _mallopt(_M_MXFAST, 0)


def _leave_as_saved(config: config_pb2.ConfigProto, graph: meta_graph_pb2.MetaGraphDef) -> None:
    """Has graph optimizers leave alone, in place, what is called apart from the signatures' own path.

    A graph keeps apart (`_noinline`) what few requests need. To optimize that took most of the
    seconds before the first answer.
    """
    rewriting = config.graph_options.rewrite_options
    # A second graph optimizer, in MLIR, which gives up on functions with a
    # `tf.cond`, noisily: it took as long as loading and made nothing faster.
    rewriting.disable_tfg_optimizer = True
    # It turns a division by a constant into a multiplication: another last
    # bit than the SavedModel's own. Runs are no slower without, the first is faster.
    rewriting.constant_folding = rewriter_config_pb2.RewriterConfig.OFF
    # Each of these copies the whole graph and finds nothing in it; nor does a second round of the others.
    rewriting.layout_optimizer = rewriter_config_pb2.RewriterConfig.OFF
    rewriting.loop_optimization = rewriter_config_pb2.RewriterConfig.OFF
    rewriting.shape_optimization = rewriter_config_pb2.RewriterConfig.OFF
    rewriting.memory_optimization = rewriter_config_pb2.RewriterConfig.NO_MEM_OPT
    rewriting.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.ONE
    none = config_pb2.ConfigProto()
    none.graph_options.rewrite_options.disable_tfg_optimizer = True
    none.graph_options.rewrite_options.disable_meta_optimizer = True
    serialized = none.SerializeToString()
    for body in apart(graph.graph_def):
        # tf.data's mark of functions that graph optimizers skip.
        body.attr["_tf_data_function"].b = True
        for node in body.node_def:
            if "config_proto" in node.attr:
                node.attr["config_proto"].s = serialized


def _register_ops(graph: meta_graph_pb2.MetaGraphDef) -> None:
    """Registers ScaNN's operations if the graph has any.

    Importing the package would do as well, and cost seconds for its Python.
    """
    bodies = (graph.graph_def, *graph.graph_def.library.function)
    nodes = (body.node if body is graph.graph_def else body.node_def for body in bodies)
    if any(node.op.startswith("Scann>") for body in nodes for node in body):
        spec = importlib.util.find_spec("scann")
        if spec is None or not spec.submodule_search_locations:
            raise StatusError(
                Code.FAILED_PRECONDITION,
                "the model searches with ScaNN's operations and the package scann is not installed; "
                "install it, or serve the model exported without them",
            )
        folder = Path(spec.submodule_search_locations[0])
        pywrap_tf_session.TF_LoadLibrary(str(folder / "scann_ops" / "cc" / "_scann_ops.so"))


def _signatures(graph: meta_graph_pb2.MetaGraphDef) -> dict[str, Signature]:
    return {
        key: Signature(
            key,
            proto.method_name,
            {name: _tensor(info) for name, info in sorted(proto.inputs.items())},
            {name: _tensor(info) for name, info in sorted(proto.outputs.items())},
            # A copy: part of a message keeps the whole of it.
            meta_graph_pb2.SignatureDef.FromString(proto.SerializeToString()),
        )
        for key, proto in graph.signature_def.items()
        if not key.startswith("__saved_model")
    }


def _same(ours: Sequence[contract.Output], theirs: Mapping[str, TensorInfo]) -> bool:
    return {item.name: _NUMBERS[item.dtype] for item in ours} == {
        name: info.dtype for name, info in theirs.items()
    }


def _array(found: Any) -> np.ndarray:
    """What a session gives for an output: an array, but of one value without dimensions the value."""
    if type(found) is np.ndarray:
        return found
    return np.array(found, object if type(found) is bytes else None)


def _tensor(info: meta_graph_pb2.TensorInfo) -> TensorInfo:
    shape = info.tensor_shape
    sizes = None if shape.unknown_rank else tuple(None if d.size < 0 else d.size for d in shape.dim)
    return TensorInfo(info.name, info.dtype, sizes)


def _status_error(error: errors_impl.OpError) -> StatusError:
    return StatusError(Code(error.error_code), error.message)
