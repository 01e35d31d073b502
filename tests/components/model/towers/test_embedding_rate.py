"""Embeddings that learn faster than the rest, and candidates that are nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from components.model.params import ModelParams
from components.model.towers.content import Embedding
from components.model.towers.encoders import CandidateTower
from components.model.towers.sequence_tower import Block

ROWS, DIM = 2000, 16


def table(rate: float) -> Embedding:
    keras.utils.set_random_seed(1)
    layer = Embedding(ROWS, DIM, "items", rate)
    layer(tf.constant([0]))
    return layer


@pytest.mark.parametrize("rate", [1.0, 6.0, 0.5])
def test_rows_are_given_out_as_long_as_ever(rate: float) -> None:
    np.testing.assert_allclose(table(rate)(tf.range(ROWS)), table(1.0)(tf.range(ROWS)), rtol=1e-5)
    assert np.std(table(rate)(tf.range(ROWS))) == pytest.approx(1 / np.sqrt(DIM), rel=0.02)


def test_one_step_of_adam_moves_them_rate_times_as_far() -> None:
    def moved(rate: float) -> np.ndarray:
        layer, rows = table(rate), tf.constant([3, 7])
        before = layer(rows)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(rows) * np.arange(1.0, DIM + 1, dtype=np.float32))
        weights = layer.trainable_weights
        keras.optimizers.Adam(0.01).apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return (layer(rows) - before).numpy()

    np.testing.assert_allclose(moved(6.0), 6.0 * moved(1.0), rtol=1e-3)


def test_without_hidden_layers_a_candidate_is_its_encoding() -> None:
    tower = CandidateTower(ModelParams(hidden=()))
    encoded = tf.random.stateless_normal([5, 64], seed=[1, 2])
    unit = encoded / np.linalg.norm(encoded, axis=1, keepdims=True)
    for popularity in (0.0, 3.0):
        np.testing.assert_allclose(tower(encoded, tf.fill([5], popularity)), unit, atol=1e-6)
    assert not tower.trainable_weights


def test_attention_begins_by_halving_with_distance() -> None:
    block = Block(dim=9, heads=3, window=64, dropout=0.0, name="block")
    block(tf.zeros([1, 64, 9]), tf.ones([1, 64], tf.bool))
    bias = block._bias.numpy()
    np.testing.assert_allclose(np.exp(bias[0, [0, 4, 8]]), [1, 0.5, 0.25], rtol=1e-5)
    np.testing.assert_allclose(np.exp(bias[2, 32]), 0.5, rtol=1e-5)
    assert (np.diff(bias[:, 1]) > 0).all()
