"""SavedModels small enough to be built in a test, with what a server must cope with.

Saved as TensorFlow 2 saves: functions, resources, assets. TensorFlow 1 graphs
are in `conformance_models`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

import contract
from components.common.tensors import input_specs

Tensors = Mapping[str, tf.Tensor]
TOP = 3  # results of the history model


class _Histories(tf.Module):
    """Signatures of the contract whose answers follow from the request and ignore padding."""

    def serving_default(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        total = _taste(inputs)
        ranks = tf.range(1, TOP + 1, dtype=tf.float32)
        scores = total[:, tf.newaxis] / ranks
        return {contract.ITEM_IDS: tf.strings.as_string(scores, precision=2), contract.SCORES: scores}

    def rate(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        return {contract.RATINGS: self._stars(inputs)}

    def explain(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        weights = tf.repeat(self._stars(inputs)[:, :, tf.newaxis], contract.EXPLAIN_WIDTH, axis=2)
        return {contract.HISTORY_ITEM_IDS: tf.strings.as_string(weights), contract.WEIGHTS: weights}

    def similar(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        ids = tf.strings.join([inputs[contract.ITEM_ID], tf.strings.as_string(inputs[contract.K])], "/")
        ids = tf.repeat(ids[:, tf.newaxis], TOP, axis=1)
        return {contract.ITEM_IDS: ids, contract.SCORES: tf.cast(tf.strings.length(ids), tf.float32)}

    def _stars(self, inputs: Tensors) -> tf.Tensor:
        asked = inputs[contract.ITEM_IDS]
        stars = _taste(inputs)[:, tf.newaxis] + tf.cast(tf.strings.length(asked), tf.float32)
        return tf.where(asked == contract.PAD_ID, 0.0, stars)


def _taste(inputs: Tensors) -> tf.Tensor:
    """float32[B]: of the ids, ratings and times that are no padding. Refuses a negative rating."""
    ids, ratings = inputs[contract.HISTORY_ITEM_IDS], inputs[contract.HISTORY_RATINGS]
    good = tf.debugging.Assert(tf.reduce_all(ratings >= 0), ["a rating is negative:", ratings])
    same = tf.debugging.Assert(tf.reduce_all(tf.shape(ids) == tf.shape(ratings)), ["shapes differ"])
    with tf.control_dependencies([good, same]):
        known = tf.cast(ids != contract.PAD_ID, tf.float32)
    weight = tf.cast(tf.strings.to_hash_bucket_fast(ids, 97) + 1, tf.float32)
    recent = tf.cast(inputs[contract.HISTORY_TIMESTAMPS] % 7, tf.float32)
    return tf.reduce_sum(known * (weight * (1 + ratings) + recent), axis=1)


def histories(path: Path) -> Path:
    """Some signatures of the contract, exactly its inputs and outputs."""
    module = _Histories()
    functions = {}
    for name in (contract.SERVING_DEFAULT, contract.RATE, contract.EXPLAIN, contract.SIMILAR):
        answer = getattr(module, name)
        functions[name] = tf.function(lambda answer=answer, **inputs: answer(inputs), autograph=False)
        functions[name] = functions[name].get_concrete_function(**{s.name: s for s in input_specs(name)})
    tf.saved_model.save(module, str(path), signatures=functions)
    return path


DEFAULT_K = 4  # of the model whose answers are as wide as the largest k


class _Results(tf.Module):
    """`similar` as the index answers it: as wide as the largest k of the rows, 0 meaning the default."""

    def similar(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        k = tf.where(inputs[contract.K] == 0, DEFAULT_K, inputs[contract.K])[:, tf.newaxis]
        ranks = tf.range(tf.reduce_max(k))[tf.newaxis]
        names = inputs[contract.ITEM_ID][:, tf.newaxis] + tf.strings.as_string(ranks)
        scores = tf.where(ranks < k, 1.0 / tf.cast(ranks + 1, tf.float32), contract.PAD_SCORE)
        return {contract.ITEM_IDS: tf.where(ranks < k, names, contract.PAD_ID), contract.SCORES: scores}


def results(path: Path) -> Path:
    """The contract's `similar`, without a default of its own for k."""
    module = _Results()
    answer = tf.function(lambda **inputs: module.similar(inputs), autograph=False)
    answer = answer.get_concrete_function(**{s.name: s for s in input_specs(contract.SIMILAR)})
    tf.saved_model.save(module, str(path), signatures={contract.SIMILAR: answer})
    return path


class _Everything(tf.Module):
    """A table from an asset, a variable, several signatures."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = tf.saved_model.Asset(words)
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                self.words,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            -1,
        )
        self.factor = tf.Variable(3.0)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string, "words")])
    def look_up(self, words: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"lines": self.table.lookup(words)}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, "x")])
    def highest(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Of each row: what TensorFlow Serving's padding (the first element again) does not change."""
        good = tf.debugging.Assert(tf.reduce_all(x < 1000), ["x must be below 1000, got", x])
        with tf.control_dependencies([good]):
            return {"y": self.factor * tf.reduce_max(x, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def any_rank(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": self.factor * x}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, "x")])
    def scalar(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": self.factor * x}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def deceitful(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Says that it answers by row, and does not."""
        first = tf.reshape(tf.reduce_sum(x), [1])
        return {"total": tf.ensure_shape(tf.boolean_mask(first, tf.size(x)[tf.newaxis] > 0), [None])}


def everything(path: Path) -> Path:
    """Signatures look_up, highest, any_rank, scalar, deceitful."""
    words = path.parent / "words.txt"
    words.write_text("zero\none\ntwo\n")
    module = _Everything(str(words))
    names = ("look_up", "highest", "any_rank", "scalar", "deceitful")
    tf.saved_model.save(module, str(path), signatures={name: getattr(module, name) for name in names})
    words.unlink()  # the model carries its own copy
    return path


def scann(path: Path, rows: int = 20_000, width: int = 32) -> Path:
    """A ScaNN index: float32[B, width] queries -> the 10 nearest rows."""
    from scann import scann_ops

    vectors = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    searcher = (
        scann_ops.builder(tf.constant(vectors), 10, "dot_product")
        .tree(100, 10, training_sample_size=5_000)
        .score_ah(2, training_sample_size=5_000)
        .reorder(100)
        .build()
    )
    module = tf.Module()
    module.searcher = searcher.serialize_to_module()

    @tf.function(input_signature=[tf.TensorSpec([None, width], tf.float32, "queries")])
    def search(queries: tf.Tensor) -> dict[str, tf.Tensor]:
        found = scann_ops.searcher_from_module(module.searcher).search_batched(queries)
        return {"rows": found.indices, "distances": found.distances}

    tf.saved_model.save(module, str(path), signatures=search)
    return path


def write_warmup(path: Path, records: Sequence[prediction_log_pb2.PredictionLog | bytes]) -> None:
    """Puts warm-up requests into a model's assets.extra."""
    extra = path / contract.ASSETS_EXTRA
    extra.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(extra / contract.WARMUP_REQUESTS)) as writer:
        for record in records:
            writer.write(record if isinstance(record, bytes) else record.SerializeToString())


def predict_log(signature: str, **inputs: np.ndarray) -> prediction_log_pb2.PredictionLog:
    """A Predict request for warm-up."""
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log


def history_inputs(*rows: Sequence[str], signature: str = contract.SERVING_DEFAULT) -> dict[str, np.ndarray]:
    """Inputs of a signature of the history model: rows of item ids, the rest neutral or made of them."""
    width = max(map(len, rows))
    ids = np.full((len(rows), width), contract.PAD_ID, object)
    for row, items in enumerate(rows):
        ids[row, : len(items)] = [item.encode() for item in items]
    lengths = np.vectorize(len, otypes=[np.int64])(ids)
    inputs = {
        item.name: np.full(
            (len(rows),) if item.columns is None else (len(rows), 1),
            item.neutral,
            object if item.dtype == "string" else item.dtype,
        )
        for item in contract.SIGNATURES[signature].inputs
    }
    inputs[contract.HISTORY_ITEM_IDS] = ids
    inputs[contract.HISTORY_RATINGS] = (lengths % 5).astype(np.float32)
    inputs[contract.HISTORY_TIMESTAMPS] = lengths * 3
    return inputs
