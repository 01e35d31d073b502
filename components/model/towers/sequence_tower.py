"""The query tower as a causal transformer over the history."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
import tf_keras as keras

from components.model.history import History
from components.model.hyperparameters import Hyperparameters
from components.model.towers.encoders import Sizes, without_history
from components.model.user_features import scale_rating

_DAY = 86_400.0
# Added to the logit of an event that must not be seen.
_NEVER = -1e9


class Block(keras.layers.Layer):
    """Causal self-attention and a feed-forward layer, each normalised before and added to its input.

    Attention is biased by a learnt number per head and distance (Shaw et al.,
    "Self-Attention with Relative Position Representations", NAACL 2018, in the form of
    Raffel et al., JMLR 2020), which begin as straight lines (Press et al., "Train Short,
    Test Long", ICLR 2022): the weight of an event halves every 4 events in the first head,
    every W / 2 in the last. So an event's output depends on how far the others
    lie back, not on where the window begins: what is learnt at every position of a
    sequence holds for the last, where requests are answered.
    """

    def __init__(self, dim: int, heads: int, window: int, dropout: float, name: str) -> None:
        super().__init__(name=name)
        self._heads = heads
        self._window = window
        self._attention_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="attention_norm")
        self._qkv = keras.layers.Dense(3 * dim, use_bias=False, name="qkv")
        self._join = keras.layers.Dense(dim, name="join")
        self._forward_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="forward_norm")
        self._wide = keras.layers.Dense(4 * dim, activation="relu", name="wide")
        self._narrow = keras.layers.Dense(dim, name="narrow")
        self._dropout = keras.layers.Dropout(dropout)

    def build(self, input_shape: tf.TensorShape) -> None:
        # Here, not above, so that the block's name is in the weight's.
        halves = np.geomspace(4.0, max(4.0, self._window / 2), self._heads)[:, np.newaxis]
        fading = keras.initializers.Constant(-math.log(2.0) * np.arange(self._window) / halves)
        shape = [self._heads, self._window]
        self._bias = self.add_weight(name="distance_bias", shape=shape, initializer=fading)
        super().build(input_shape)

    def call(
        self, x: tf.Tensor, mask: tf.Tensor, training: bool = False, last_only: bool = False
    ) -> tf.Tensor:
        """float32[B, W, D], or [B, 1, D] of the last position alone.

        Args:
          x: float32[B, W, D].
          mask: bool[B, W], true where there is an event.
        """
        attended = self._attend(self._attention_norm(x), mask, last_only)
        x = (x[:, -1:] if last_only else x) + self._dropout(attended, training=training)
        hidden = self._wide(self._forward_norm(x))
        return x + self._dropout(self._narrow(hidden), training=training)

    def _attend(self, x: tf.Tensor, mask: tf.Tensor, last_only: bool = False) -> tf.Tensor:
        batch, dim = tf.shape(x)[0], x.shape[2]
        width = dim // self._heads
        split = tf.reshape(self._qkv(x), [batch, self._window, 3, self._heads, width])
        # Heads before positions once, here; else each product below turns its arguments itself.
        query, key, value = tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]))
        asking = tf.range(self._window)
        if last_only:
            query, asking = query[:, :, -1:], asking[-1:]
        distance = asking[:, tf.newaxis] - tf.range(self._window)
        bias = tf.gather(self._bias, tf.maximum(distance, 0), axis=1) + tf.where(distance < 0, _NEVER, 0.0)
        logits = tf.linalg.matmul(query / math.sqrt(width), key, transpose_b=True)
        logits += bias + tf.where(mask, 0.0, _NEVER)[:, tf.newaxis, tf.newaxis]
        joined = tf.transpose(tf.linalg.matmul(tf.nn.softmax(logits, axis=3), value), [0, 2, 1, 3])
        return self._join(tf.reshape(joined, [batch, -1, dim]))


class SequenceTower(keras.layers.Layer):
    """A history to a unit vector by a causal transformer over its events.

    As SASRec (Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM
    2018), over the shared item encoding, with each event's stars and the time since
    the one before as further inputs. Training asks for the next item at every
    position at once (`every_position`); a request reads the last one (`call`).
    """

    def __init__(self, sizes: Sizes, params: Hyperparameters) -> None:
        super().__init__(name="query_tower")
        dim = params.embedding_dim
        self._events = keras.layers.Dense(dim, name="events")
        self._blocks = [
            Block(dim, params.attention_heads, params.history_window, params.dropout, f"block_{i}")
            for i in range(params.attention_layers)
        ]
        self._norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")
        self._dropout = keras.layers.Dropout(params.dropout)
        self._calendar = keras.layers.Dense(dim, use_bias=False, kernel_initializer="zeros", name="calendar")
        self._taste, self._default = without_history(self, sizes, dim)

    def call(
        self,
        history: History,
        encoded: tf.Tensor,
        user_features: tf.Tensor,
        calendar: tf.Tensor,
        shown_taste: tf.Tensor,
        given_taste: tf.Tensor,
        training: bool = False,
    ) -> tf.Tensor:
        """float32[B, D] of length 1; arguments as `encoders.QueryTower`, of which it needs fewer."""
        del user_features, shown_taste
        hidden = self._hidden(history, encoded, training, last_only=True)[:, 0]
        present = tf.cast(tf.reduce_any(history.mask, axis=1, keepdims=True), tf.float32)
        return self._joined(hidden, present, calendar, tf.linalg.matmul(given_taste, self._taste))

    def every_position(
        self, history: History, encoded: tf.Tensor, calendar: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """float32[B, W, D] of length 1: position t answers for the events up to it.

        Args:
          history: windowed events; encoded: float32[B, W, D].
          calendar: float32[B, W, NUM_DATES], of the event after each.
        """
        hidden = self._hidden(history, encoded, training)
        return self._joined(hidden, tf.cast(history.mask, tf.float32)[:, :, tf.newaxis], calendar, 0.0)

    def without_history(self, calendar: tf.Tensor, given_taste: tf.Tensor) -> tf.Tensor:
        """float32[B, D] of length 1: `call` with an empty history, at none of the cost of its window."""
        nothing = tf.zeros([1, 1])
        return self._joined(nothing, nothing, calendar, tf.linalg.matmul(given_taste, self._taste))

    def _joined(
        self, hidden: tf.Tensor, present: tf.Tensor, calendar: tf.Tensor, given: tf.Tensor
    ) -> tf.Tensor:
        query = present * hidden + (1.0 - present) * self._default + self._calendar(calendar) + given
        return tf.math.l2_normalize(query, axis=-1)

    def _hidden(
        self, history: History, encoded: tf.Tensor, training: bool, last_only: bool = False
    ) -> tf.Tensor:
        """float32[B, W, D], or [B, 1, D] of the last position alone."""
        times = history.timestamps
        before = tf.concat([times[:, :1], times[:, :-1]], axis=1)
        dated = (times > 0) & (before > 0)
        gap = tf.where(dated, tf.maximum(times - before, 0), tf.zeros_like(times))
        gap = tf.math.log1p(tf.cast(gap, tf.float32) / _DAY)
        # To a variance of 1: an item must not drown in what is common to all events.
        x = encoded * math.sqrt(encoded.shape[2])
        x += self._events(tf.stack([scale_rating(history.ratings), gap], axis=2))
        x = self._dropout(x, training=training)
        for block in self._blocks:
            alone = last_only and block is self._blocks[-1]
            x = block(x, history.mask, training=training, last_only=alone)
        return self._norm(x)
