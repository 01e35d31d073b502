"""A causal transformer over ids."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tf_keras as keras

from components.common.metrics import names
from components.model.towers.retrieval_loss import shared_negatives_loss
from components.trainer.inputs.events import window_ends
from leaderboard import ranking
from leaderboard.model import Model
from leaderboard.models.learnt import neural
from leaderboard.models.linear.factors import unseen
from leaderboard.split import Histories, Queries, Split

_QUERIES_AT_ONCE = 256


@dataclasses.dataclass
class Transformer(Model):
    """SASRec (Kang and McAuley, ICDM 2018) with a softmax instead of one sampled negative.

    Klenitskiy and Vasilev ("Turning Dross Into Gold Loss", RecSys 2023) found the loss to be
    what SASRec lacked beside BERT4Rec.

    Attributes:
      window: events of a sequence; a longer history is cut into several to train on.
      negatives: drawn evenly for each step and shared by its positions; 0 = full softmax.
      patience: epochs without a better eval Recall@20.
    """

    dim: int = 64
    layers: int = 2
    heads: int = 2
    window: int = 200
    dropout: float = 0.2
    negatives: int = 1024
    learning_rate: float = 1e-3
    batch_size: int = 32
    epochs: int = 100
    patience: int = 10

    NAME: ClassVar[str] = "transformer"
    RANDOM: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "dim": (64, 32, 128),
        "dropout": (0.2, 0.1, 0.4, 0.5),
        "learning_rate": (1e-3, 3e-4, 3e-3),
        "negatives": (1024, 0),
        "batch_size": (32, 16, 64),
    }

    def fit(self, split: Split) -> None:
        neural.seeded(self.seed)
        self._unseen = unseen(split)
        size = split.catalogue.size
        self._network = _Network(size, self)
        sequences = _sequences(split.train, self.window, size)
        optimizer = keras.optimizers.Adam(self.learning_rate)
        rng = np.random.default_rng(self.seed)
        self._network(tf.constant(sequences[:1, :-1]))  # creates the weights
        weights = self._network.trainable_weights

        @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, None], tf.int32)])
        def step(batch: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                loss = self._network.loss(batch, self.negatives)
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return loss

        def epoch() -> float:
            batches = _batches(sequences, size, self.batch_size, rng)
            return float(tf.reduce_mean(tf.stack([step(tf.constant(batch)) for batch in batches])))

        def score() -> float:
            return ranking.evaluate(self, split, split.eval).mean(names.RECALL_20)

        held_out = len(split.eval.targets.rows) > 0
        self._kept = neural.fit_epochs(
            self.NAME, epoch, weights, self.epochs, self.patience, score if held_out else None
        )

    def score_many(self, queries: Queries) -> np.ndarray:
        size, history = len(self._unseen), queries.history
        last = np.full((len(queries), self.window), size, np.int32)
        recent = history.ages < self.window
        last[history.owner[recent], self.window - 1 - history.ages[recent]] = history.rows[recent]
        blocks = (last[i : i + _QUERIES_AT_ONCE] for i in range(0, len(last), _QUERIES_AT_ONCE))
        scores = np.concatenate([self._network.next_scores(tf.constant(block)).numpy() for block in blocks])
        return np.where(self._unseen, -np.inf, scores)

    def chosen(self) -> dict[str, Any]:
        return {"epochs": self._kept}

    @property
    def parameters(self) -> int:
        return neural.size(self._network.trainable_weights)


def _sequences(train: Histories, window: int, pad: int) -> np.ndarray:
    """int32[S, window + 1]: every event as a target of its predecessors, newest last, padded in front.

    Cut as the pipeline's transformer cuts them: from a history's end backwards, each piece beginning
    with the last event of the one before.
    """
    ends = window_ends(train, window)
    if not len(ends):
        raise ValueError("no user has two train events, so there is no next event to learn; expected some")
    start = train.offsets[np.searchsorted(train.offsets, ends, side="right") - 1]
    index = ends[:, np.newaxis] + np.arange(1 - window, 2)
    return np.where(index >= start[:, np.newaxis], train.rows[np.maximum(index, 0)], pad).astype(np.int32)


def _batches(sequences: np.ndarray, pad: int, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """All sequences once, in a drawn order, in batches of similar lengths cut to their longest.

    Sorted by length within eight batches at a time, which halves the padding and leaves
    who is with whom to chance.
    """
    lengths = (sequences != pad).sum(axis=1)
    order = rng.permutation(len(sequences))
    together = [order[i : i + 8 * size] for i in range(0, len(order), 8 * size)]
    order = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in together])
    parts = [order[i : i + size] for i in range(0, len(order), size)]
    return [sequences[parts[i], -lengths[parts[i]].max() :] for i in rng.permutation(len(parts))]


class _Network(keras.Model):
    """Embeddings shared by both ends, positions, pre-norm blocks; id `size` is the pad."""

    def __init__(self, size: int, params: Transformer) -> None:
        super().__init__(name="transformer")
        self._size = size
        normal = keras.initializers.TruncatedNormal
        self._items = keras.layers.Embedding(size + 1, params.dim, embeddings_initializer=normal(0, 0.02))
        self._positions = self.add_weight(
            name="positions", shape=[params.window, params.dim], initializer=normal(0, 0.02)
        )
        self._dropout = keras.layers.Dropout(params.dropout)
        self._blocks = [_Block(params) for _ in range(params.layers)]
        self._norm = keras.layers.LayerNormalization(epsilon=1e-8)
        self.next_scores = tf.function(self._next_scores, autograph=False, reduce_retracing=True)

    def call(self, ids: tf.Tensor, training: bool = False) -> tf.Tensor:
        """float32[B, L, D] states of int32[B, L] ids."""
        present = ids < self._size
        x = self._items(ids) * tf.cast(present, tf.float32)[..., tf.newaxis]
        # Sequences end at the last position, however long they are.
        x = x * float(self._positions.shape[1]) ** 0.5 + self._positions[-tf.shape(ids)[1] :]
        x = self._dropout(x, training=training)
        for block in self._blocks:
            x = block(x, present, training=training)
        return self._norm(x)

    def loss(self, sequences: tf.Tensor, negatives: int) -> tf.Tensor:
        """Mean cross-entropy of the next id at every position that has one."""
        inputs, targets = sequences[:, :-1], sequences[:, 1:]
        counts = (inputs < self._size) & (targets < self._size)
        states = tf.boolean_mask(self(inputs, training=True), counts)
        target = tf.boolean_mask(targets, counts)
        table = self._items.embeddings
        drawn = tf.range(self._size)
        if negatives:
            drawn = tf.random.uniform([negatives], maxval=self._size, dtype=tf.int32)
        return shared_negatives_loss(
            states,
            tf.gather(table, target),
            tf.gather(table, drawn),
            drawn[tf.newaxis] == target[:, tf.newaxis],
            tf.ones_like(target, tf.float32),
            temperature=1.0,
            catalogue=self._size,
        )

    def _next_scores(self, ids: tf.Tensor) -> tf.Tensor:
        """float32[B, N]: of what comes after the last position."""
        return tf.linalg.matmul(self(ids)[:, -1], self._items.embeddings[: self._size], transpose_b=True)


class _Block(keras.layers.Layer):
    def __init__(self, params: Transformer) -> None:
        super().__init__()
        self._norms = [keras.layers.LayerNormalization(epsilon=1e-8) for _ in range(2)]
        self._attention = keras.layers.MultiHeadAttention(
            params.heads, params.dim // params.heads, dropout=params.dropout
        )
        self._hidden = keras.layers.Dense(4 * params.dim, activation="gelu")
        self._out = keras.layers.Dense(params.dim)
        self._dropout = keras.layers.Dropout(params.dropout)

    def call(self, x: tf.Tensor, present: tf.Tensor, training: bool = False) -> tf.Tensor:
        normed = self._norms[0](x)
        attended = self._attention(
            normed, normed, attention_mask=present[:, tf.newaxis, :], use_causal_mask=True, training=training
        )
        x = x + self._dropout(attended, training=training)
        hidden = self._out(self._hidden(self._norms[1](x)))
        return x + self._dropout(hidden, training=training)
