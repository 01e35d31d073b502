"""Approximate search by ScaNN, made safe: a row it cannot answer well is searched exactly."""

from __future__ import annotations

import bisect
import dataclasses
import hashlib

import numpy as np
import tensorflow as tf
from scann import scann_ops
from scann.scann_ops.py import scann_ops as scann_kernels

from components.index.conditions.asked import Asked
from components.index.conditions.conditions import Conditions
from components.index.search.candidates import NOTHING, Candidates, Seen
from components.index.search.exact import ExactSearch
from components.index.search.scann_config import ScannConfig, leaves_to_try, scann_config

# What ScaNN's searcher is made of beside the vectors: inputs of its operation.
_PARTS = (
    "scann_config",
    "serialized_partitioner",
    "datapoint_to_token",
    "ah_codebook",
    "hashed_dataset",
    "int8_dataset",
    "int8_multipliers",
    "dp_norms",
)


class ScannIndex(tf.Module):
    """Nearest rows by dot product, from ScaNN's TensorFlow operations.

    The library's operations are used rather than `tfrs.layers.ScaNN`: that
    layer fixes the number of leaves and of rescored neighbours when it is
    built, and hands on what this one takes care of. Measured with 1.4.2: where
    the searched leaves hold fewer points than asked for, places are filled
    with row 0 and score NaN; an empty batch is an internal error; neighbours
    beyond the rescored ones are silently dropped.

    The same vectors give the same index, bit for bit: leaves start from
    k-means++, which the library seeds with a constant. Its default, a random
    start, differs from build to build and can be given no seed.

    Args:
      embeddings: float32[N, D]. The exported index reads this variable: the
        vectors are in the SavedModel once, for all that search them.
      config: see there.
    """

    def __init__(self, embeddings: tf.Variable, config: ScannConfig) -> None:
        super().__init__(name="scann")
        self.config = config
        self._embeddings = embeddings
        searcher = (
            scann_ops.builder(embeddings.read_value(), config.min_reordering, "dot_product")
            .tree(
                config.num_leaves,
                config.num_leaves_to_search,
                training_sample_size=config.training_sample,
                training_iterations=config.training_iterations,
                random_init=False,
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
        state = searcher.serialize_to_module()
        # All but the state's own copy of the vectors.
        self._parts = {name: getattr(state, name) for name in _PARTS}
        # Every signature's graph rebuilds the searcher from the variables when
        # it first runs. Under one name they share one copy in memory; the name
        # comes from the vectors, so no other model's can be met by mistake.
        digest = hashlib.sha256(embeddings.numpy().tobytes() + repr(config).encode()).hexdigest()
        self._shared_name = f"scann-{digest[:32]}"

    def __call__(self, queries: tf.Tensor, neighbours: int) -> Candidates:
        """Up to `neighbours` rows for queries float32[B, D].

        They come as ScaNN orders them: best first, the lower row first among equals.
        """
        batch = tf.shape(queries)[0]
        rows, scores = tf.cond(
            batch > 0,
            lambda: self._search(queries, neighbours),
            lambda: (tf.zeros([0, 0], tf.int32), tf.zeros([0, 0], tf.float32)),
        )
        found = tf.math.is_finite(scores)
        return Candidates(tf.where(found, rows, 0), tf.where(found, scores, NOTHING))

    def _search(self, queries: tf.Tensor, neighbours: int) -> tuple[tf.Tensor, tf.Tensor]:
        config = self.config
        handle = scann_kernels.tensors_to_scann(
            x=self._embeddings, shared_name=self._shared_name, **self._parts
        )
        found = scann_kernels.ScannSearcher(handle).search_batched(
            queries,
            final_num_neighbors=neighbours,
            pre_reorder_num_neighbors=max(config.min_reordering, config.reordering_factor * neighbours),
            leaves_to_search=config.leaves_for(neighbours),
        )
        return found.indices, found.distances


# How many items of a history are thought of when ScaNN is first asked: as many
# more neighbours are asked for. Most histories are shorter, and of the longer
# ones not all is near the query.
_SEEN_AMONG_NEAREST = 128
# While recall is measured: 4 bytes each, and 8 for the order they are put in.
_SCORES_AT_ONCE = 1 << 24


def first_ask(most: int) -> int:
    """Neighbours that ScaNN is asked for at first, where a request may need `most` results."""
    return most + _SEEN_AMONG_NEAREST


class ApproximateSearch(tf.Module):
    """ScaNN, asked for more where it left a row short; exact search for what is short even then.

    A row is short when fewer items than it needs survive its history,
    exclusions and filters. How many neighbours are asked for follows from the
    signature alone, never from what else is in the batch: one request with a
    long history costs the others nothing and does not change their answers.

    Args:
      index: ScaNN over the catalogue.
      exact: exact search over the same rows.
      conditions: the same items' columns.
      oversample: times more neighbours asked for where the first were too few.
    """

    def __init__(
        self, index: ScannIndex, exact: ExactSearch, conditions: Conditions, oversample: int
    ) -> None:
        super().__init__(name="approximate_search")
        self._index = index
        self._exact = exact
        self._conditions = conditions
        self._oversample = oversample

    def __call__(
        self,
        queries: tf.Tensor,
        wanted: Asked | None,
        seen: Seen,
        needed: tf.Tensor,
        width: tf.Tensor,
        most: int,
    ) -> Candidates:
        """As `ExactSearch`; `needed`, int32[B], is how many results make a row complete."""
        first = first_ask(most)
        limit = self._index.config.max_neighbours
        asks = sorted({min(first, limit), min(first * self._oversample, limit)})
        return self._search(asks, queries, wanted, seen, needed, width, most)

    def _search(
        self,
        asks: list[int],
        queries: tf.Tensor,
        wanted: Asked | None,
        seen: Seen,
        needed: tf.Tensor,
        width: tf.Tensor,
        most: int,
    ) -> Candidates:
        if not asks:
            return self._exact(queries, wanted, seen, needed, width, most)
        found = self._survivors(queries, wanted, seen, asks[0]).best(width)
        short = tf.where(found.count < needed)[:, 0]

        def again() -> Candidates:
            asked, wants = tf.gather(queries, short), tf.gather(needed, short)
            filters = wanted and wanted.take(short)
            better = self._search(asks[1:], asked, filters, seen.take(short), wants, width, most)
            return found.replaced(short, better)

        return Candidates(*tf.cond(tf.shape(short)[0] > 0, again, lambda: found))

    def _survivors(self, queries: tf.Tensor, wanted: Asked | None, seen: Seen, ask: int) -> Candidates:
        found = self._index(queries, ask)
        found = found.keep(~seen.holds(found.rows))
        if wanted is None:
            return found
        return Candidates(
            *tf.cond(
                wanted.any(),
                lambda: found.keep(self._conditions.allow_rows(wanted, found.rows)),
                lambda: found,
            )
        )


@dataclasses.dataclass(frozen=True)
class Tuned:
    """An index and the recall it was measured to have against exact search."""

    index: ScannIndex
    recall: float


def build_scann(embeddings: tf.Variable, queries: np.ndarray, recall_at: int, target_recall: float) -> Tuned:
    """Builds the index and searches as many leaves as the wanted recall takes.

    Leaves to search are an input of ScaNN's search, so trying a number costs a
    search, not a build; and more leaves find more, so their range is halved.

    Args:
      embeddings: float32[N, D].
      queries: float32[Q, D], the kind of vector that will be asked.
      recall_at: how many of the exact top rows to look for.
      target_recall: the share of them to find. Where even all leaves find
        fewer, all leaves are searched; the evaluator's gate has the last word.
    """
    vectors = embeddings.numpy()
    index = ScannIndex(embeddings, scann_config(len(vectors)))
    recall_at = min(recall_at, len(vectors))
    best = exact_top(vectors, queries, recall_at)
    asked = tf.constant(queries)

    def recall_with(leaves: int) -> float:
        index.config = dataclasses.replace(index.config, num_leaves_to_search=leaves)
        return _recall(index(asked, recall_at), best)

    tries = leaves_to_try(index.config.num_leaves)
    # All leaves are the last resort, whatever they find.
    first = bisect.bisect_left(tries[:-1], target_recall, key=recall_with)
    return Tuned(index, recall_with(tries[first]))


def exact_top(embeddings: np.ndarray, queries: np.ndarray, width: int) -> np.ndarray:
    """int[Q, width]: rows of the highest dot products, in no order."""
    block = max(1, _SCORES_AT_ONCE // len(embeddings))
    last = min(width, len(embeddings) - 1)
    best = np.empty((len(queries), min(width, len(embeddings))), np.int64)
    for start in range(0, len(queries), block):
        part = slice(start, start + block)
        # Copied row by row into `best`: a view would keep all N places of each query.
        best[part] = np.argpartition(-(queries[part] @ embeddings.T), last, axis=1)[:, :width]
    return best


def _recall(found: Candidates, best: np.ndarray) -> float:
    rows = np.where(found.present.numpy(), found.rows.numpy(), -1)
    return float(np.mean([np.isin(wanted, got).mean() for wanted, got in zip(best, rows, strict=True)]))
