"""The searches that benchmarks/ann.py compares: each is built in a process of its own, saved, loaded, tuned.

    python benchmarks/harness/ann_engines.py scann-exported --vectors items.npy \
        --queries queries.npy --out FOLDER

`build` may use every core; `search` runs in the thread that calls it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

K = 10
TARGET_RECALL = 0.95
_SEED = 1

Settings = dict[str, int]


class Engine(Protocol):
    """A search over the rows of a matrix by dot product.

    Attributes:
      grid: settings to try, from fast to thorough.
    """

    grid: Sequence[Settings]

    def set(self, settings: Settings) -> None: ...

    def search(self, queries: np.ndarray) -> np.ndarray:
        """Queries float32[B, D] -> rows int[B, K]."""
        ...


def _steps(low: int, high: int, ratio: float = 1.2) -> list[int]:
    count = int(np.ceil(np.log(high / low) / np.log(ratio))) + 1
    return sorted({round(value) for value in np.geomspace(low, high, count)})


class ExactTensorFlow:
    """One product with the whole matrix, then top-k, in a graph."""

    grid: Sequence[Settings] = ({},)

    def __init__(self, vectors: np.ndarray) -> None:
        import tensorflow as tf

        graph = tf.Graph()
        with graph.as_default():
            given = tf.compat.v1.placeholder(tf.float32, vectors.shape)
            matrix = tf.compat.v1.Variable(given, trainable=False)
            queries = tf.compat.v1.placeholder(tf.float32, [None, vectors.shape[1]])
            rows = tf.math.top_k(tf.matmul(queries, matrix, transpose_b=True), K).indices
        session = _session(graph)
        session.run(matrix.initializer, {given: vectors})
        self._call = _callable(session, [queries.name], [rows.name])

    def set(self, settings: Settings) -> None:
        pass

    def search(self, queries: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._call(queries)[0]
        return found


class ExactNumpy:
    """The same in NumPy."""

    grid: Sequence[Settings] = ({},)

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors = vectors.T

    def set(self, settings: Settings) -> None:
        pass

    def search(self, queries: np.ndarray) -> np.ndarray:
        scores = queries @ self._vectors
        top = np.argpartition(scores, -K, axis=1)[:, -K:]
        return np.take_along_axis(top, np.argsort(-np.take_along_axis(scores, top, 1), axis=1), 1)


class ScannExported:
    """components/index's ScaNN in a SavedModel, run as a server runs it: a callable of a session."""

    grid: Sequence[Settings] = ({},)

    @staticmethod
    def build(
        vectors: np.ndarray, queries: np.ndarray, out: Path, recall_at: int, recall: float, neighbours: int
    ) -> None:
        import tensorflow as tf

        from components.index.search.approximate import build_scann

        tuned = build_scann(tf.Variable(vectors, trainable=False), queries, recall_at, recall)

        class Exported(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.index = tuned.index

            def search(self, queries: tf.Tensor) -> dict[str, tf.Tensor]:
                found = self.index(queries, neighbours).best(tf.constant(K))
                return {"rows": found.rows, "scores": found.scores}

        module = Exported()
        spec = tf.TensorSpec([None, vectors.shape[1]], tf.float32, "queries")
        function = tf.function(module.search, autograph=False).get_concrete_function(spec)
        tf.saved_model.save(
            module, str(out), {"search": function}, tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
        )
        config = {"recall": tuned.recall, **dataclasses.asdict(tuned.index.config)}
        (out / "config.json").write_text(json.dumps(config))

    def __init__(self, folder: Path) -> None:
        import scann  # noqa: F401 (registers its operations)
        import tensorflow as tf

        graph = tf.Graph()
        session = _session(graph)
        with graph.as_default():
            meta = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(folder))
        signature = meta.signature_def["search"]
        feeds, fetches = [signature.inputs["queries"].name], [signature.outputs["rows"].name]
        self._call = _callable(session, feeds, fetches)
        self.search(np.zeros([1, signature.inputs["queries"].tensor_shape.dim[1].size], np.float32))

    def set(self, settings: Settings) -> None:
        pass

    def search(self, queries: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._call(queries)[0]
        return found


class ScannConditions:
    """The search of `recommend` in a SavedModel, with and without a condition that leaves one item in 100.

    Attributes:
      where: the condition, "" for none.
    """

    VALUES = 100

    @classmethod
    def kinds(cls, items: int) -> np.ndarray:
        """int[N]: the value that each item has, as many of each."""
        return np.random.default_rng(_SEED).permutation(items) % cls.VALUES

    @classmethod
    def build(cls, vectors: np.ndarray, queries: np.ndarray, out: Path) -> None:
        import pyarrow as pa
        import tensorflow as tf

        from components.common.features import FeatureSpec
        from components.index.conditions.conditions import Conditions
        from components.index.params import IndexParams
        from components.index.search.approximate import ApproximateSearch, build_scann
        from components.index.search.candidates import Seen
        from components.index.search.exact import ExactSearch
        from components.index.search.listed import ListedSearch
        from components.index.search.selective import SelectiveSearch

        params = IndexParams.model_validate({})
        embeddings = tf.Variable(vectors, trainable=False)
        kinds = [[str(kind)] for kind in cls.kinds(len(vectors))]
        table = pa.table({"kind": pa.array(kinds, pa.large_list(pa.large_string()))})
        conditions = Conditions(table, [FeatureSpec(name="kind", kind="categorical")])
        shares = tf.Variable(np.full(len(vectors), 1 / len(vectors), np.float32), trainable=False)
        tuned = build_scann(embeddings, queries, params.recall_at, params.target_recall)
        exact = ExactSearch(embeddings, conditions, params.block_scores)
        search = SelectiveSearch(
            ApproximateSearch(tuned.index, exact, conditions, params.filter_oversample),
            ListedSearch(embeddings, shares, conditions),
            conditions,
            len(vectors),
        )
        most = max(params.max_k, params.diversity_pool)

        class Exported(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.parts = (conditions, search)

            def search(self, queries: tf.Tensor, where: tf.Tensor) -> dict[str, tf.Tensor]:
                batch = tf.shape(queries)[0]
                seen = Seen(tf.fill([batch, 1], -1))
                asked = conditions.ask(where)
                found = search(queries, asked, seen, tf.fill([batch], K), tf.constant(K), most)
                return {"rows": found.rows, "scores": found.scores}

        module = Exported()
        function = tf.function(module.search, autograph=False).get_concrete_function(
            tf.TensorSpec([None, vectors.shape[1]], tf.float32, "queries"),
            tf.TensorSpec([None, 1], tf.string, "where"),
        )
        tf.saved_model.save(
            module, str(out), {"search": function}, tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
        )

    grid: Sequence[Settings] = ({},)

    def __init__(self, folder: Path) -> None:
        import scann  # noqa: F401 (registers its operations)
        import tensorflow as tf

        self.where = b""
        graph = tf.Graph()
        session = _session(graph)
        with graph.as_default():
            meta = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(folder))
        signature = meta.signature_def["search"]
        feeds = [signature.inputs[name].name for name in ("queries", "where")]
        self._call = _callable(session, feeds, [signature.outputs["rows"].name])

    def set(self, settings: Settings) -> None:
        pass

    def search(self, queries: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._call(queries, np.full([len(queries), 1], self.where, object))[0]
        return found


class ScannAlone:
    """The same index outside TensorFlow, by ScaNN's own Python binding."""

    @staticmethod
    def build(vectors: np.ndarray, out: Path) -> None:
        from scann.scann_ops.py import scann_ops_pybind

        from components.index.search.scann_config import scann_config

        config = scann_config(len(vectors))
        searcher = (
            scann_ops_pybind.builder(vectors, K, "dot_product")
            .tree(
                config.num_leaves,
                config.num_leaves_to_search,
                training_sample_size=config.training_sample,
                training_iterations=config.training_iterations,
            )
            .score_ah(
                config.dimensions_per_block,
                anisotropic_quantization_threshold=config.anisotropic_quantization_threshold,
                training_sample_size=config.training_sample,
                training_iterations=config.training_iterations,
            )
            .reorder(config.min_reordering)
            .build()
        )
        out.mkdir()
        searcher.serialize(str(out))
        (out / "config.json").write_text(json.dumps(dataclasses.asdict(config)))

    def __init__(self, folder: Path) -> None:
        from scann.scann_ops.py import scann_ops_pybind

        config = json.loads((folder / "config.json").read_text())
        self.grid = [{"leaves": leaves} for leaves in _steps(2, config["num_leaves"])]
        self._rescored = config["min_reordering"]
        self._searcher = scann_ops_pybind.load_searcher(str(folder))
        self._leaves = config["num_leaves_to_search"]

    def set(self, settings: Settings) -> None:
        self._leaves = settings["leaves"]

    def search(self, queries: np.ndarray) -> np.ndarray:
        if len(queries) == 1:
            found, _ = self._searcher.search(queries[0], K, self._rescored, self._leaves)
            row: np.ndarray = found[np.newaxis]
            return row
        rows: np.ndarray = self._searcher.search_batched(queries, K, self._rescored, self._leaves)[0]
        return rows


class FaissIvfPq:
    """Inverted lists, 4-bit product quantisation with SIMD lookups ("fast scan"), exact rescoring."""

    @staticmethod
    def build(vectors: np.ndarray, out: Path) -> None:
        import faiss

        count, width = vectors.shape
        lists = max(2, round(np.sqrt(count)))
        index = faiss.index_factory(width, f"IVF{lists},PQ{width // 2}x4fs,RFlat", faiss.METRIC_INNER_PRODUCT)
        rng = np.random.default_rng(_SEED)
        sample = rng.choice(count, min(count, max(100_000, 50 * lists)), replace=False)
        index.train(vectors[np.sort(sample)])
        index.add(vectors)
        out.mkdir()
        faiss.write_index(index, str(out / "index"))

    def __init__(self, folder: Path) -> None:
        self._index = _read_faiss(folder / "index")
        self._lists = _inverted_lists(self._index)
        self.grid = [
            {"lists": lists, "rescored": rescored}
            for lists in _steps(1, self._lists.nlist)
            for rescored in (4, 10, 20, 50, 100)
        ]

    def set(self, settings: Settings) -> None:
        self._lists.nprobe = settings["lists"]
        self._index.k_factor = settings["rescored"]

    def search(self, queries: np.ndarray) -> np.ndarray:
        rows: np.ndarray = self._index.search(queries, K)[1]
        return rows


class FaissHnsw:
    """Faiss's navigable small world graph."""

    links, effort = 24, 100

    @classmethod
    def build(cls, vectors: np.ndarray, out: Path) -> None:
        import faiss

        index = faiss.IndexHNSWFlat(vectors.shape[1], cls.links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = cls.effort
        index.add(vectors)
        out.mkdir()
        faiss.write_index(index, str(out / "index"))

    def __init__(self, folder: Path) -> None:
        self._index = _read_faiss(folder / "index")
        self.grid = [{"candidates": value} for value in _steps(K, 2000)]

    def set(self, settings: Settings) -> None:
        self._index.hnsw.efSearch = settings["candidates"]

    def search(self, queries: np.ndarray) -> np.ndarray:
        rows: np.ndarray = self._index.search(queries, K)[1]
        return rows


class Hnswlib:
    """The same graph by its authors' library."""

    links, effort = 24, 100

    @classmethod
    def build(cls, vectors: np.ndarray, out: Path) -> None:
        import hnswlib

        index = hnswlib.Index(space="ip", dim=vectors.shape[1])
        index.init_index(len(vectors), M=cls.links, ef_construction=cls.effort, random_seed=_SEED)
        index.add_items(vectors)
        out.mkdir()
        index.save_index(str(out / "index"))
        (out / "config.json").write_text(json.dumps({"width": vectors.shape[1]}))

    def __init__(self, folder: Path) -> None:
        import hnswlib

        width = json.loads((folder / "config.json").read_text())["width"]
        self._index = hnswlib.Index(space="ip", dim=width)
        self._index.load_index(str(folder / "index"))
        self._index.set_num_threads(1)
        self.grid = [{"candidates": value} for value in _steps(K, 2000)]

    def set(self, settings: Settings) -> None:
        self._index.set_ef(settings["candidates"])

    def search(self, queries: np.ndarray) -> np.ndarray:
        rows: np.ndarray = self._index.knn_query(queries, k=K)[0]
        return rows.astype(np.int64)


LOADED: dict[str, Any] = {
    "scann-exported": ScannExported,
    "scann-served": ScannExported,
    "scann-conditions": ScannConditions,
    "scann-alone": ScannAlone,
    "faiss-ivfpq": FaissIvfPq,
    "faiss-hnsw": FaissHnsw,
    "hnswlib": Hnswlib,
}


def _read_faiss(path: Path) -> Any:
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss.read_index(str(path))


def _inverted_lists(index: Any) -> Any:
    """The lists under the exact rescoring."""
    import faiss

    return faiss.downcast_index(index.base_index)


def _session(graph: Any) -> Any:
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2

    # -1: operations run in the thread that asks. Handing each to a pool of one
    # thread costs more than ScaNN's whole search for one query.
    config = config_pb2.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1)
    return tf.compat.v1.Session(graph=graph, config=config)


def _callable(session: Any, feeds: list[str], fetches: list[str]) -> Any:
    from tensorflow.core.protobuf import config_pb2

    return session._make_callable_from_options(config_pb2.CallableOptions(feed=feeds, fetch=fetches))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine", choices=sorted(LOADED))
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder that does not exist yet")
    args = parser.parse_args()
    vectors, queries = np.load(args.vectors), np.load(args.queries)
    engine = LOADED[args.engine]
    began = time.monotonic()
    if engine is ScannExported:
        from components.index.params import IndexParams
        from components.index.search.approximate import first_ask

        params = IndexParams.model_validate({})
        sample = queries[: params.recall_queries]
        if args.engine == "scann-exported":
            engine.build(vectors, sample, args.out, K, TARGET_RECALL, K)
        else:
            # By the config's defaults, and asked for what `serving_default` asks for.
            ask = first_ask(params.default_k)
            engine.build(vectors, sample, args.out, params.recall_at, params.target_recall, ask)
    elif engine is ScannConditions:
        engine.build(vectors, queries[:512], args.out)
    else:
        engine.build(vectors, args.out)
    (args.out / "seconds").write_text(f"{time.monotonic() - began:.2f}")


if __name__ == "__main__":
    main()
