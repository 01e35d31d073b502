"""A small random catalogue with timelines: what a fit needs, without a pipeline's artifacts.

As a program it prints, for each query encoder, how far loss and gradients of two replicas are
from those of one process on the same batch (tests/components/model/towers/test_replicas.py): logical devices
must be made before TensorFlow is used.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import components  # noqa: F401 (chooses Keras)

# isort: split
import numpy as np
import tensorflow as tf
import tf_keras as keras

import contract
from components.common.features import MOVIELENS
from components.model.features import Catalogue, ItemFeatures, Popularity
from components.model.params import ModelParams
from components.model.towers.encoders import Sizes
from components.model.towers.two_tower import TwoTower
from components.trainer.inputs import events

GENRES, TAGS = 5, 9


def train_events(users: int = 60, items: int = 80, length: int = 20, seed: int = 0) -> events.Events:
    rng = np.random.default_rng(seed)
    return events.Events(
        rows=rng.integers(0, items, users * length).astype(np.int32),
        ratings=(rng.integers(1, 11, users * length) / 2).astype(np.float32),
        timestamps=np.sort(rng.integers(10**9, 10**9 + 10**7, (users, length)), axis=1).ravel(),
        offsets=np.arange(0, users * length + 1, length),
    )


def catalogue(train: events.Events, items: int = 80) -> Catalogue:
    rng = np.random.default_rng(1)
    count = np.bincount(train.rows, minlength=items)
    popularity = ((np.log1p(count) - np.log1p(count).mean()) / np.log1p(count).std()).astype(np.float32)
    genres = rng.integers(0, GENRES, (items, 3)).astype(np.int32)
    return Catalogue(
        features=ItemFeatures(
            item_index=np.arange(items, dtype=np.int32),
            popularity_scaled=popularity,
            content={
                contract.indices(contract.GENRES): genres,
                contract.indices(contract.TAGS): rng.integers(-1, TAGS, (items, 4)).astype(np.int32),
                contract.weights(contract.TAGS): rng.random((items, 4)).astype(np.float32),
                contract.scaled(contract.YEAR): rng.normal(size=items).astype(np.float32),
                contract.known(contract.YEAR): np.ones(items, np.float32),
            },
        ),
        genres=np.eye(GENRES + 1, dtype=np.float32)[genres].max(axis=1),
        rating_count=count.astype(np.float32),
        rating_sum=np.bincount(train.rows, train.ratings, minlength=items).astype(np.float32),
        popularity=Popularity.recover(count, popularity),
    )


def model(train: events.Events, params: ModelParams, seed: int = 0, **hyperparameters: Any) -> TwoTower:
    """With every weight created; under a strategy's scope or not."""
    keras.utils.set_random_seed(seed)
    items = catalogue(train)
    words = {contract.GENRES: GENRES, contract.TAGS: TAGS}
    sizes = Sizes(items.size, GENRES, MOVIELENS, words)
    made = TwoTower(params, sizes, items, 3.0, (10**9, 10**9 + 10**7), **hyperparameters)
    windows = events.Windows(train, params.history_window)
    made.standardise.adapt(np.random.default_rng(0).normal(size=(50, made_width(made, windows))))
    made.losses_of(windows.pairs(tf.constant([1, 2], tf.int64)), training=False)
    return made


def made_width(made: TwoTower, windows: events.Windows) -> int:
    from components.model import user_features

    pairs = windows.pairs(tf.constant([1], tf.int64))
    return int(user_features.summary(pairs.history, pairs.now).shape[1])


def differences(encoder: str, strategy: tf.distribute.Strategy) -> dict[str, float]:
    """|loss of two replicas - loss of one process| and the same of the gradients, at most.

    Without dropout, and with all of the catalogue for drawn negatives or none: what is left is not drawn.
    """
    train = train_events()
    params = ModelParams(
        query_encoder=encoder, embedding_dim=16, hidden=(16,), history_window=10,
        dropout=0, id_dropout=0, history_dropout=0, attention_layers=1,
    )  # fmt: skip
    by_sequence = encoder == "transformer"
    hyperparameters = {"uniform_negatives": 80 if by_sequence else 0, "low_rating_weight": 0.3}
    windows = events.Windows(train, params.history_window)
    positions = np.arange(1, 1200, 37)  # 33: no even number
    ends = events.window_ends(train, params.history_window)[:7]

    def batch(part: slice) -> tuple[Any, ...]:
        pairs = windows.pairs(tf.constant(positions[part]))
        return (windows.sequences(tf.constant(ends[part])), pairs) if by_sequence else (pairs,)

    def gradients(made: TwoTower, *batch: Any) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            losses = (made.sequence_losses_of if by_sequence else made.losses_of)(*batch, training=True)
            loss = made.total_loss(losses)
        found = tape.gradient(loss, made.trainable_variables)
        dense = [
            tf.zeros_like(v) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(found, made.trainable_variables, strict=True)
        ]
        return [loss, *dense]

    one = model(train, params, **hyperparameters)
    expected = tf.function(lambda: gradients(one, *batch(slice(None))), autograph=False)()
    expected = [x.numpy() for x in expected]

    with strategy.scope():
        two = model(train, params, **hyperparameters)
    two.set_weights(one.get_weights())

    def on_replica() -> list[tf.Tensor]:
        context = tf.distribute.get_replica_context()
        number = tf.get_static_value(context.replica_id_in_sync_group)
        return [
            context.all_reduce("SUM", tf.convert_to_tensor(x))
            for x in gradients(two, *batch(slice(number, None, 2)))
        ]

    got = tf.function(lambda: strategy.run(on_replica), autograph=False)()
    got = [strategy.experimental_local_results(x)[0].numpy() for x in got]
    return {
        "loss": float(abs(got[0] - expected[0])),
        "gradient": float(max(np.abs(a - b).max() for a, b in zip(got[1:], expected[1:], strict=True))),
        "largest": float(max(np.abs(b).max() for b in expected[1:])),
    }


if __name__ == "__main__":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    found = {encoder: differences(encoder, mirrored) for encoder in ("views", "transformer")}
    sys.stdout.write(json.dumps(found) + "\n")
