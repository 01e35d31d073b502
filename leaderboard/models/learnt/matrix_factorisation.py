"""Matrix factorisation with biases by automatic differentiation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tf_keras as keras

from leaderboard.model import Model
from leaderboard.models.learnt import neural
from leaderboard.split import Histories, Queries, Split


@dataclasses.dataclass
class MatrixFactorisation(Model):
    """stars = item's mean + b_u + b_i + p_u q_i, by full-batch gradients and Adam.

    Loss: half the sum of squared errors on mean-normalised ratings + l2 / 2 x the sum of all
    squared factors and biases (Koren, Bell and Volinsky, "Matrix Factorization Techniques for
    Recommender Systems", Computer 2009). A user is an id: an unknown one has no factors.
    """

    factors: int = 64
    l2: float = 10.0
    learning_rate: float = 0.03
    epochs: int = 300

    NAME: ClassVar[str] = "matrix_factorisation"
    RATES: ClassVar[bool] = True
    RANDOM: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "factors": (64, 16, 32, 100),
        "l2": (10.0, 1.0, 3.0, 5.0, 20.0),
        "learning_rate": (0.03, 0.01, 0.1),
    }

    def fit(self, split: Split) -> None:
        neural.seeded(self.seed)
        train, held_out = neural.Pairs.train(split), neural.Pairs.held_out(split)
        items = split.catalogue.size
        overall = float(train.stars.mean())
        count = np.bincount(train.rows, minlength=items)
        total = np.bincount(train.rows, train.stars, items)
        self._mean = np.where(count > 0, total / np.maximum(count, 1), overall).astype(np.float32)
        self._users = {id_: i for i, id_ in enumerate(split.user_ids)}

        def normal(rows: int) -> tf.Variable:
            return tf.Variable(tf.random.normal([rows, self.factors], stddev=0.1))

        users, items = normal(len(split.user_ids)), normal(items)
        user_bias, item_bias = tf.Variable(tf.zeros([len(split.user_ids)])), tf.Variable(tf.zeros([items]))
        self._weights = [users, items, user_bias, item_bias]
        user, row = tf.constant(train.users), tf.constant(train.rows)
        target = tf.constant(train.stars - self._mean[train.rows])
        optimizer = keras.optimizers.Adam(self.learning_rate)

        @tf.function(autograph=False)
        def step() -> tf.Tensor:
            with tf.GradientTape() as tape:
                predicted = (
                    tf.reduce_sum(tf.gather(users, user) * tf.gather(items, row), axis=1)
                    + tf.gather(user_bias, user)
                    + tf.gather(item_bias, row)
                )
                squared = tf.reduce_sum(tf.square(predicted - target))
                loss = squared / 2 + self.l2 * tf.add_n([tf.nn.l2_loss(w) for w in self._weights])
            optimizer.apply_gradients(zip(tape.gradient(loss, self._weights), self._weights, strict=True))
            return squared / len(train.stars)

        def score() -> float:
            assert held_out is not None
            return -float(np.mean((self._stars(held_out.users, held_out.rows) - held_out.stars) ** 2))

        self._kept = neural.fit_epochs(
            self.NAME, lambda: float(step()), self._weights, self.epochs, 20, score if held_out else None
        )

    def score_many(self, queries: Queries) -> np.ndarray:
        rows = self._rows(queries)
        users, items, user_bias, item_bias = (weight.numpy() for weight in self._weights)
        known = (rows >= 0).astype(np.float32)[:, None]
        return known * (users[rows] @ items.T + user_bias[rows, None]) + item_bias + self._mean

    def predict_ratings(self, queries: Queries, asked: Histories) -> np.ndarray:
        rows = self._rows(queries)[asked.owner]
        return np.where(rows >= 0, self._stars(rows, asked.rows), self._mean[asked.rows])

    def _stars(self, user: np.ndarray, row: np.ndarray) -> np.ndarray:
        users, items, user_bias, item_bias = (weight.numpy() for weight in self._weights)
        product = np.einsum("ek,ek->e", users[user], items[row])
        return product + user_bias[user] + item_bias[row] + self._mean[row]

    def _rows(self, queries: Queries) -> np.ndarray:
        return np.array([self._users.get(id_, -1) for id_ in queries.user_ids])

    def chosen(self) -> dict[str, Any]:
        return {"epochs": self._kept}

    @property
    def parameters(self) -> int:
        return neural.size(self._weights)
