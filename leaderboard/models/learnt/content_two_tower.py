"""The two-tower over content alone that a well-known course teaches."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
import tensorflow as tf
import tf_keras as keras

from components.model.towers.content_two_tower import stars_of, tower, user_features
from components.model.user_features import scale_rating
from leaderboard.model import Model
from leaderboard.models.learnt import neural
from leaderboard.split import Catalogue, Histories, Queries, Split


@dataclasses.dataclass
class ContentTwoTower(Model):
    """User: mean rating and count by genre. Item: year and genres. Dense 256-128-32 each, unit length.

    Their dot product is fitted to ratings scaled to [-1, 1] by squared error. The user's
    features are those of the history, so a new person has them; of an unrated genre the mean
    is the person's own. Features and towers are those of the pipeline's model of this kind, which is
    fitted on the prefixes of histories rather than on whole ones.
    """

    learning_rate: float = 1e-3
    batch_size: int = 256
    dropout: float = 0.0
    epochs: int = 30

    NAME: ClassVar[str] = "content_two_tower"
    RATES: ClassVar[bool] = True
    RANDOM: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 3e-4, 3e-3),
        "batch_size": (256, 64, 1024),
        "dropout": (0.0, 0.2),
    }

    def fit(self, split: Split) -> None:
        neural.seeded(self.seed)
        train, held_out = neural.Pairs.train(split), neural.Pairs.held_out(split)
        self._genres = split.catalogue.genres
        self._mean = float(train.stars.mean())
        users = self._user_features(split.train)
        seen = split.train.lengths > 0
        self._centre, self._spread = users[seen].mean(axis=0), users[seen].std(axis=0) + 1e-6
        users, items = (users - self._centre) / self._spread, _item_features(split.catalogue)
        self._towers = [tower("user", self.dropout), tower("item", self.dropout)]
        inputs = [keras.Input([users.shape[1]]), keras.Input([items.shape[1]])]
        embedded = [embed(x) for embed, x in zip(self._towers, inputs, strict=True)]
        network = keras.Model(inputs, keras.layers.Dot(1)(embedded), name=self.NAME)

        def data(pairs: neural.Pairs) -> tuple[list[np.ndarray], np.ndarray]:
            return [users[pairs.users], items[pairs.rows]], scale_rating(pairs.stars)

        self._kept = neural.fit_ratings(
            network, data(train), data(held_out) if held_out else None,
            learning_rate=self.learning_rate, batch_size=self.batch_size, epochs=self.epochs, patience=3,
        )  # fmt: skip
        self._items = self._towers[1](tf.constant(items), training=False).numpy()

    def score_many(self, queries: Queries) -> np.ndarray:
        return self._embed(queries) @ self._items.T

    def predict_ratings(self, queries: Queries, asked: Histories) -> np.ndarray:
        dots = np.einsum("ed,ed->e", self._embed(queries)[asked.owner], self._items[asked.rows])
        return stars_of(dots)

    def _embed(self, queries: Queries) -> np.ndarray:
        features = (self._user_features(queries.history) - self._centre) / self._spread
        embedded: np.ndarray = self._towers[0](tf.constant(features), training=False).numpy()
        return embedded

    def _user_features(self, history: Histories) -> np.ndarray:
        """float32[B, 2 G + 2]: mean stars and log count by genre and overall."""
        size = self._genres.shape[0]
        count = (history.matrix(size) @ self._genres).toarray()
        total = (history.matrix(size, history.ratings) @ self._genres).toarray()
        own = np.bincount(history.owner, history.ratings, len(history))
        count, total, length, own = (tf.constant(x, tf.float32) for x in (count, total, history.lengths, own))
        features: np.ndarray = user_features(count, total, length, own, self._mean).numpy()
        return features

    def chosen(self) -> dict[str, Any]:
        return {"epochs": self._kept}

    @property
    def parameters(self) -> int:
        return sum(neural.size(tower.trainable_weights) for tower in self._towers)


def _item_features(catalogue: Catalogue) -> np.ndarray:
    """float32[N, G + 2]: standardised year, whether there is one, genres."""
    known = catalogue.years > 0
    years = np.zeros(catalogue.size)
    if known.any():
        spread = catalogue.years[known].std() + 1e-6
        years[known] = (catalogue.years[known] - catalogue.years[known].mean()) / spread
    genres = sp.csr_matrix(catalogue.genres).toarray()
    return np.concatenate([years[:, None], known[:, None], genres], axis=1).astype(np.float32)
