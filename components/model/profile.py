"""What is known of users beside their events: a table of profiles, and what they do to a query."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras

from components.common.features import FeatureSpec
from components.model.hyperparameters import Hyperparameters
from components.model.towers.content import Content


@dataclasses.dataclass(frozen=True)
class Profiles:
    """P users' profiles in rows 1 to P; row 0 is of nothing, for anybody else.

    Attributes:
      specs: the features, at least one.
      words: vocabularies, in the order of their indices, of those that are no numbers.
      user_ids: of rows 1 to P.
      content: arrays of P + 1 rows, as `ItemFeatures.content`.
    """

    specs: Sequence[FeatureSpec]
    words: Mapping[str, Sequence[bytes]]
    user_ids: Sequence[bytes]
    content: Mapping[str, np.ndarray]


class ProfileTower(keras.layers.Layer):
    """A query moved by what is known of the user; left as it is where nothing is.

    It comes after the query tower, whatever that is: the profile's vector, and what
    an MLP makes of both, are added to the query, which becomes a unit vector again.
    """

    def __init__(self, profiles: Profiles, params: Hyperparameters) -> None:
        super().__init__(name="profile_tower")
        dim = params.embedding_dim
        sizes = {name: len(words) for name, words in profiles.words.items()}
        self._content = Content(profiles.specs, sizes, dim, "content")
        self._hidden = keras.layers.Dense(params.hidden[0] if params.hidden else dim, "relu", name="hidden")
        # It starts as no change at all and learns what to add.
        small = keras.initializers.RandomNormal(stddev=0.01)
        self._out = keras.layers.Dense(dim, kernel_initializer=small, use_bias=False, name="out")
        self._scale = self.add_weight(name="scale", shape=[], initializer=keras.initializers.Constant(0.1))

    def call(self, query: tf.Tensor, content: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """float32[B, D] of length 1, from such a query and `Profiles.content` of B users."""
        profile = self._content(content)
        some = tf.cast(tf.reduce_any(profile != 0, axis=1, keepdims=True), tf.float32)
        change = self._scale * profile + self._out(self._hidden(tf.concat([query, profile], axis=1)))
        return tf.math.l2_normalize(query + some * change, axis=1)
