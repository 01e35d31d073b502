"""The shared item encoder and the two towers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras as keras

from components.common.features import FeatureSpec
from components.model.features import ItemFeatures
from components.model.history import History
from components.model.hyperparameters import Hyperparameters
from components.model.towers.content import Content, Embedding
from components.model.user_features import NUM_DATES, NUM_FEATURES, scale_rating


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What the towers' tables follow from.

    Attributes:
      items: words of the item vocabulary.
      genres: words of the feature that tastes are in.
      features: what the encoder reads of an item beside its id.
      words: vocabulary size of those that are no numbers.
    """

    items: int
    genres: int
    features: Sequence[FeatureSpec]
    words: Mapping[str, int]


class ItemEncoder(keras.layers.Layer):
    """What both towers know of an item: its id's embedding plus its content's.

    Shared by the candidate tower and by the history of the query tower ("layer
    sharing": Covington et al., "Deep Neural Networks for YouTube
    Recommendations", RecSys 2016, section 4.1). In training a share of the ids
    is replaced by the out-of-vocabulary row, so that an item without ratings is
    placed by its content (as in DropoutNet: Volkovs et al., NIPS 2017).
    """

    def __init__(self, sizes: Sizes, params: Hyperparameters) -> None:
        super().__init__(name="item_encoder")
        self._unknown = sizes.items
        self._id_dropout = params.id_dropout
        dim = params.embedding_dim
        rate = params.embedding_rate
        self.ids = Embedding(sizes.items + 1, dim, "item_ids", rate)
        self.content = None
        if sizes.features:
            self.content = Content(sizes.features, sizes.words, dim, "content", rate)

    def call(self, items: ItemFeatures, training: bool = False) -> tf.Tensor:
        """float32[n, D]."""
        index = items.item_index
        if training and self._id_dropout > 0:
            drop = tf.random.uniform(tf.shape(index)) < self._id_dropout
            index = tf.where(drop, self._unknown, index)
        encoded = self.ids(index)
        return encoded if self.content is None else encoded + self.content(items.content)


class Mlp(keras.layers.Layer):
    """Dense ReLU layers with dropout and a linear last one, started near zero."""

    def __init__(self, hidden: tuple[int, ...], out: int, dropout: float, name: str) -> None:
        super().__init__(name=name)
        self._hidden = [
            keras.layers.Dense(width, activation="relu", name=f"hidden_{i}") for i, width in enumerate(hidden)
        ]
        self._dropout = keras.layers.Dropout(dropout)
        # The tower starts as its residual input and learns what to add to it.
        self._out = keras.layers.Dense(
            out, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), name="out"
        )

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        for layer in self._hidden:
            x = self._dropout(layer(x), training=training)
        return self._out(x)


class CandidateTower(keras.layers.Layer):
    """An item's encoding and popularity to a unit vector; without hidden layers, the encoding alone."""

    def __init__(self, params: Hyperparameters) -> None:
        super().__init__(name="candidate_tower")
        self._mlp = None
        if params.hidden:
            self._mlp = Mlp(params.hidden, params.embedding_dim, params.dropout, "candidate_mlp")

    def call(self, encoded: tf.Tensor, popularity_scaled: tf.Tensor, training: bool = False) -> tf.Tensor:
        """float32[n, D] of length 1, from float32[n, D] and float32[n]."""
        if self._mlp is None:
            return tf.math.l2_normalize(encoded, axis=1)
        popularity = popularity_scaled[:, tf.newaxis]
        x = tf.concat([encoded, popularity, tf.square(popularity)], axis=1)
        return tf.math.l2_normalize(encoded + self._mlp(x, training=training), axis=1)


def without_history(tower: keras.layers.Layer, sizes: Sizes, dim: int) -> tuple[tf.Variable, tf.Variable]:
    """What a query tower knows people by who have no history: float32[G, D] of tastes, float32[D] of none."""
    normal = keras.initializers.RandomNormal
    taste = tower.add_weight(
        name="genre_taste", shape=[sizes.genres + 1, dim], initializer=normal(stddev=1 / math.sqrt(dim))
    )
    default = tower.add_weight(name="empty_history", shape=[dim], initializer=normal(stddev=0.1))
    return taste, default


class QueryTower(keras.layers.Layer):
    """A history to a unit vector, by recency-weighted views of what was watched.

    View v weighs the event `age` events ago by 2^(-age / half_life_v), times a
    learnt gate of its stars; views are averaged with learnt shares and refined
    by an MLP that also sees the user features, the date, and the genre tastes that
    the history shows or that are given beside it.
    """

    def __init__(self, sizes: Sizes, params: Hyperparameters) -> None:
        super().__init__(name="query_tower")
        self._half_lives = tf.constant(params.half_lives, tf.float32)
        self._mix = self.add_weight(name="view_mix", shape=[len(params.half_lives)], initializer="zeros")
        self._stars = self.add_weight(
            name="star_gate", shape=[2], initializer=keras.initializers.Constant([1.0, 0.0])
        )
        self._taste, self._default = without_history(self, sizes, params.embedding_dim)
        self._mlp = Mlp(params.hidden, params.embedding_dim, params.dropout, "query_mlp")

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
        """float32[B, D] of length 1.

        Args:
          history: windowed events.
          encoded: float32[B, W, D], the shared encoder's output for each event.
          user_features: float32[B, NUM_FEATURES], standardised.
          calendar: float32[B, NUM_DATES], see `user_features.calendar`.
          shown_taste: float32[B, G], what `user_features.genre_taste` reads from the history.
          given_taste: float32[B, G], what a person says of themselves; all 0 when nothing.
        """
        user_features = tf.ensure_shape(user_features, [None, NUM_FEATURES])
        calendar = tf.ensure_shape(calendar, [None, NUM_DATES])
        present = tf.cast(history.mask, tf.float32)
        gate = tf.nn.softplus(self._stars[0] * scale_rating(history.ratings) + self._stars[1])
        decay = tf.pow(2.0, -history.ages[:, tf.newaxis, :] / self._half_lives[tf.newaxis, :, tf.newaxis])
        weights = decay * (gate * present)[:, tf.newaxis, :]
        weights = tf.math.divide_no_nan(weights, tf.reduce_sum(weights, axis=2, keepdims=True))
        views = tf.einsum("bvw,bwd->bvd", weights, encoded)
        base = tf.einsum("v,bvd->bd", tf.nn.softmax(self._mix), views)
        empty = 1.0 - tf.reduce_max(present, axis=1, keepdims=True)
        # Through the genres' embeddings, so that no weight's shape depends on how many genres there are.
        shown, given = (tf.linalg.matmul(taste, self._taste) for taste in (shown_taste, given_taste))
        base += given + empty * self._default
        flat = tf.reshape(views, [-1, views.shape[1] * views.shape[2]])
        x = tf.concat([flat, user_features, calendar, shown, given, empty], axis=1)
        return tf.math.l2_normalize(base + self._mlp(x, training=training), axis=1)
