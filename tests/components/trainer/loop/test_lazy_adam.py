"""Rows wait for their batches, and are then moved as Adam moves them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trainer.loop.lazy_adam import LazyAdam

ROWS, SIZE = 6, 3


def start() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(ROWS, SIZE)).astype(np.float32)


def gradients(batches: list[list[int]]) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [rng.normal(size=(len(batch), SIZE)).astype(np.float32) for batch in batches]


def fitted(optimizer: keras.optimizers.Optimizer, batches: list[list[int]]) -> np.ndarray:
    table = tf.Variable(start())

    @tf.function(reduce_retracing=True)
    def step(rows: tf.Tensor, values: tf.Tensor) -> None:
        optimizer.apply_gradients([(tf.IndexedSlices(values, rows, tf.constant([ROWS, SIZE])), table)])

    optimizer.build([table])
    for rows, values in zip(batches, gradients(batches), strict=True):
        step(tf.constant(rows, tf.int32), tf.constant(values))
    return table.numpy()


def reference(batches: list[list[int]], rate: float) -> np.ndarray:
    """Row by row, in float64; gradients of a row that is in a batch twice are added up."""
    table = start().astype(np.float64)
    first, second = np.zeros_like(table), np.zeros_like(table)
    for t, (rows, values) in enumerate(zip(batches, gradients(batches), strict=True), 1):
        for row in set(rows):
            gradient = sum(values[i].astype(np.float64) for i in range(len(rows)) if rows[i] == row)
            first[row] = 0.9 * first[row] + 0.1 * gradient
            second[row] = 0.999 * second[row] + 0.001 * gradient**2
            # Epsilon as in "the formulation just before Section 2.1" of the paper, which Keras follows.
            corrected = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            table[row] -= corrected * first[row] / (np.sqrt(second[row]) + 1e-7)
    return table


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=8), min_size=1, max_size=6))
def test_rows_are_moved_as_one_by_one(batches: list[list[int]]) -> None:
    np.testing.assert_allclose(fitted(LazyAdam(0.01), batches), reference(batches, 0.01), atol=1e-5)


def test_a_row_in_every_batch_is_moved_as_by_adam_and_one_in_none_is_not() -> None:
    batches = [[1, 3, 1], [3, 1, 3], [1, 3, 3]]
    lazy, plain = fitted(LazyAdam(0.01), batches), fitted(keras.optimizers.Adam(0.01), batches)
    np.testing.assert_allclose(lazy, plain, atol=1e-6)
    np.testing.assert_array_equal(lazy[[0, 2, 4, 5]], start()[[0, 2, 4, 5]])


def test_between_its_batches_adam_moves_a_row_and_lazy_adam_does_not() -> None:
    batches = [[1], [3], [3]]
    after_one = fitted(LazyAdam(0.01), batches[:1])[1]
    np.testing.assert_array_equal(fitted(LazyAdam(0.01), batches)[1], after_one)
    assert np.abs(fitted(keras.optimizers.Adam(0.01), batches)[1] - after_one).max() > 1e-3


def test_what_is_not_an_embedding_is_moved_as_by_adam() -> None:
    found = []
    for optimizer in (LazyAdam(0.01), keras.optimizers.Adam(0.01)):
        weights = tf.Variable(start())
        for seed in range(3):
            gradient = np.random.default_rng(seed).normal(size=weights.shape).astype(np.float32)
            optimizer.apply_gradients([(tf.constant(gradient), weights)])
        found.append(weights.numpy())
    np.testing.assert_array_equal(found[0], found[1])
    assert found[0] != pytest.approx(start())
