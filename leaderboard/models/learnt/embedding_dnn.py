"""The embedding + content network of many a notebook."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tf_keras as keras

import contract
from leaderboard.model import Model
from leaderboard.models.learnt import neural
from leaderboard.models.simple.content import tag_tfidf
from leaderboard.split import Catalogue, Histories, Queries, Split

_MAX_TAGS = 100
_SPAN = contract.MAX_RATING - contract.MIN_RATING
_QUERIES_AT_ONCE = 32


@dataclasses.dataclass
class EmbeddingDnn(Model):
    """User and item embeddings, genres and 100 TF-IDF tags into dense 32-16, sigmoid on scaled stars.

    Early stopping, learning rate on plateau. The first layer is written as the sum of its
    user's and its item's half, which is the same layer: a whole catalogue is then scored
    without repeating either.
    """

    dim: int = 64
    dropout: float = 0.3
    l2: float = 1e-6
    learning_rate: float = 1e-3
    batch_size: int = 256
    epochs: int = 30

    NAME: ClassVar[str] = "embedding_dnn"
    RATES: ClassVar[bool] = True
    RANDOM: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "dropout": (0.3, 0.1, 0.5),
        "l2": (1e-6, 0.0, 1e-5, 1e-4),
        "learning_rate": (1e-3, 3e-4, 3e-3),
        "batch_size": (256, 64, 1024),
    }

    def fit(self, split: Split) -> None:
        neural.seeded(self.seed)
        train, held_out = neural.Pairs.train(split), neural.Pairs.held_out(split)
        content = _content(split.catalogue)
        # The last user row and the last item row are never trained: they stand for new ones.
        self._users = {id_: i for i, id_ in enumerate(split.user_ids) if split.train.lengths[i]}
        self._network = _Network(
            len(split.user_ids) + 1, content, self.dim, self.dropout, keras.regularizers.l2(self.l2)
        )

        def data(pairs: neural.Pairs) -> tuple[list[np.ndarray], np.ndarray]:
            return [pairs.users, pairs.rows], (pairs.stars - contract.MIN_RATING) / _SPAN

        self._kept = neural.fit_ratings(
            self._network, data(train), data(held_out) if held_out else None,
            learning_rate=self.learning_rate, batch_size=self.batch_size, epochs=self.epochs, patience=3,
        )  # fmt: skip

    def score_many(self, queries: Queries) -> np.ndarray:
        rows = self._rows(queries)
        blocks = (rows[i : i + _QUERIES_AT_ONCE] for i in range(0, len(rows), _QUERIES_AT_ONCE))
        return np.concatenate([self._network.catalogue_of(tf.constant(block)).numpy() for block in blocks])

    def predict_ratings(self, queries: Queries, asked: Histories) -> np.ndarray:
        users = self._rows(queries)[asked.owner]
        share = self._network([tf.constant(users), tf.constant(asked.rows)], training=False).numpy()
        return contract.MIN_RATING + _SPAN * share

    def _rows(self, queries: Queries) -> np.ndarray:
        new = self._network.users - 1
        return np.array([self._users.get(id_, new) for id_ in queries.user_ids], np.int32)

    def chosen(self) -> dict[str, Any]:
        return {"epochs": self._kept}

    @property
    def parameters(self) -> int:
        return neural.size(self._network.trainable_weights)


def _content(catalogue: Catalogue) -> np.ndarray:
    """float32[N, G + T]: genres and the TF-IDF of the most frequent tags."""
    frequent = np.argsort(-np.asarray(catalogue.tags.sum(axis=0)).ravel(), kind="stable")[:_MAX_TAGS]
    tags = tag_tfidf(catalogue)[:, frequent]
    return np.concatenate([catalogue.genres.toarray(), tags.toarray()], axis=1).astype(np.float32)


class _Network(keras.Model):
    def __init__(
        self, users: int, content: np.ndarray, dim: int, dropout: float, regulariser: keras.regularizers.L2
    ) -> None:
        super().__init__(name="embedding_dnn")
        self.users = users
        self._content = tf.constant(content)
        self._user = keras.layers.Embedding(users, dim, embeddings_regularizer=regulariser)
        self._item = keras.layers.Embedding(len(content), dim, embeddings_regularizer=regulariser)
        self._of_user = keras.layers.Dense(32)
        self._of_item = keras.layers.Dense(32, use_bias=False)
        self._dropout = keras.layers.Dropout(dropout)
        self._hidden = keras.layers.Dense(16, activation="relu")
        self._out = keras.layers.Dense(1, activation="sigmoid")
        self.catalogue_of = tf.function(self._catalogue_of, autograph=False, reduce_retracing=True)

    def call(self, inputs: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        """float32[P] in [0, 1] for (int32[P] user, int32[P] row)."""
        user, row = inputs
        return self._top(self._of_user(self._user(user)) + self._item_part(row), training)

    def _item_part(self, row: tf.Tensor) -> tf.Tensor:
        return self._of_item(tf.concat([self._item(row), tf.gather(self._content, row)], axis=-1))

    def _top(self, first: tf.Tensor, training: bool) -> tf.Tensor:
        x = self._dropout(tf.nn.relu(first), training=training)
        x = self._dropout(self._hidden(x), training=training)
        return self._out(x)[..., 0]

    def _catalogue_of(self, users: tf.Tensor) -> tf.Tensor:
        """float32[B, N]."""
        items = self._item_part(tf.range(len(self._content)))
        return self._top(self._of_user(self._user(users))[:, tf.newaxis] + items, False)
