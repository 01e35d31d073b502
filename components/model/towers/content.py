"""What is known of an item or a user beside its id, as a vector: one table or dense layer a feature."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras as keras

import contract
from components.common.features import FeatureSpec


class Embedding(keras.layers.Embedding):
    """A table whose dot products hardly differ while it is fresh.

    Adam moves every number by about its learning rate, whatever the gradients are, so rows turn
    the faster the shorter they are: these are kept `rate` times shorter and given out `rate` times
    longer.

    Args:
      rows, dim: float32[rows, dim].
      name: of the layer.
      rate: 1 for rows as they are given out.
    """

    def __init__(self, rows: int, dim: int, name: str, rate: float = 1.0) -> None:
        normal = keras.initializers.RandomNormal(stddev=1 / (rate * math.sqrt(dim)))
        super().__init__(rows, dim, embeddings_initializer=normal, name=name)
        self._rate = rate

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        rows = super().call(inputs)
        return rows if self._rate == 1.0 else self._rate * rows


class Content(keras.layers.Layer):
    """The sum of what each feature adds; nothing where nothing is known.

    Args:
      specs: the features.
      words: vocabulary size of those that are no numbers.
      dim: D.
      name: of the layer.
      rate: of the tables, see `Embedding`.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        words: Mapping[str, int],
        dim: int,
        name: str,
        rate: float = 1.0,
    ) -> None:
        super().__init__(name=name)
        self._specs = tuple(specs)
        self.features = {
            spec.name: keras.layers.Dense(dim, use_bias=False, name=spec.name)
            if spec.kind == "number"
            # Out of vocabulary is one more row, or dropped. No words still make one (never used) row.
            else Embedding(max(words[spec.name] + (not spec.weighted), 1), dim, spec.name, rate)
            for spec in self._specs
        }

    def call(self, content: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """float32[n, D] from what `ItemFeatures.content` holds; at least one feature."""
        return tf.add_n([self._part(spec, content) for spec in self._specs])

    def _part(self, spec: FeatureSpec, content: Mapping[str, tf.Tensor]) -> tf.Tensor:
        layer = self.features[spec.name]
        if spec.kind == "number":
            value = content[contract.scaled(spec.name)][:, tf.newaxis]
            # Bumps along the z-score let taste prefer a range without being monotone in the number.
            bumps = tf.exp(-tf.square(value - tf.linspace(-2.5, 2.5, 11)[tf.newaxis, :]) / 0.25)
            value = tf.concat([value, bumps, tf.ones_like(value)], axis=1)
            return layer(content[contract.known(spec.name)][:, tf.newaxis] * value)
        indices = content[contract.indices(spec.name)]
        present = tf.cast(indices >= 0, tf.float32)
        if spec.weighted:
            # TF-IDF rows differ in length by orders of magnitude: L2-normalise them.
            weights = tf.math.l2_normalize(present * content[contract.weights(spec.name)], axis=1)
        else:
            weights = tf.math.divide_no_nan(present, tf.reduce_sum(present, axis=1, keepdims=True))
        return _bag(layer, indices, weights)


def _bag(table: keras.layers.Embedding, indices: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """float32[n, D]: weighted sum of embeddings over the second axis; index -1 counts nothing.

    Only the filled places are looked up: most items have few tags, some have many.
    """
    place = tf.where(indices >= 0)
    rows = table(tf.gather_nd(indices, place)) * tf.gather_nd(weights, place)[:, tf.newaxis]
    return tf.math.unsorted_segment_sum(rows, place[:, 0], tf.shape(indices)[0])
