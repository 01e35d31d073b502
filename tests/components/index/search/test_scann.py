"""ScaNN's pitfalls, each closed; and its index, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from components.index.search.approximate import ScannIndex, build_scann, exact_top
from components.index.search.scann_config import MIN_ITEMS, leaves_to_try, scann_config


@pytest.mark.parametrize("count", [16, 17, 100, 2000, 1_000_000])
def test_parameters_follow_the_size(count):
    config = scann_config(count)
    assert 2 <= config.num_leaves_to_search <= config.num_leaves <= count
    assert 1 <= config.max_neighbours <= count
    assert config.leaves_for(1) <= config.leaves_for(config.max_neighbours) <= config.num_leaves
    # What is looked into holds more than what is asked for.
    assert config.leaves_for(config.max_neighbours) * count / config.num_leaves >= config.max_neighbours
    assert leaves_to_try(config.num_leaves)[-1] == config.num_leaves


def test_too_few_items_are_refused():
    with pytest.raises(ValueError, match=f"at least {MIN_ITEMS} items, got 15"):
        scann_config(15)


def test_the_same_vectors_give_the_same_index(fake):
    vectors = fake.make_vectors(1000, 16).astype(np.float32)
    states = []
    for _ in range(2):
        parts = ScannIndex(tf.Variable(vectors), scann_config(1000))._parts
        states.append(
            [
                parts["datapoint_to_token"].numpy().tobytes(),
                parts["hashed_dataset"].numpy().tobytes(),
                parts["serialized_partitioner"].numpy().item(),
                parts["ah_codebook"].numpy().item(),
            ]
        )
    assert states[0] == states[1]


def test_asking_for_more_than_there_is_pads_nothing_with_an_item(fake):
    vectors = fake.make_vectors(400, 8).astype(np.float32)
    index = ScannIndex(tf.Variable(vectors), scann_config(400))
    for neighbours in (1, 50, 400, 5000):
        found = index(tf.constant(vectors[:20]), neighbours)
        for rows, present, scores, query in zip(
            found.rows.numpy(), found.present.numpy(), found.scores.numpy(), vectors, strict=False
        ):
            kept = rows[present]
            assert len(kept) <= neighbours and len(set(kept)) == len(kept)
            np.testing.assert_allclose(scores[present], vectors[kept] @ query, atol=1e-4)
    assert found.present.numpy().any()
    empty = index(tf.constant(vectors[:0]), 10)
    assert empty.rows.shape[0] == 0


@pytest.mark.parametrize("batch", [1, 40])
def test_neighbours_come_best_first_and_equals_by_row(fake, batch):
    """ApproximateSearch relies on it: it drops what was seen and keeps the order."""
    vectors = np.repeat(fake.make_vectors(300, 8), 10, axis=0).astype(np.float32)
    index = ScannIndex(tf.Variable(vectors), scann_config(3000))
    queries = fake.make_vectors(40, 8, 3).astype(np.float32)
    for start in range(0, 40, batch):
        found = index(tf.constant(queries[start : start + batch]), 200)
        for rows, scores in zip(found.rows.numpy(), found.scores.numpy(), strict=True):
            assert np.array_equal(np.lexsort((rows, -scores)), np.arange(200))
            assert (scores[1:] == scores[:-1]).sum() > 100


def test_leaves_are_added_until_the_recall_is_met(fake):
    vectors = fake.make_vectors(3000, 32).astype(np.float32)
    queries = fake.unit(vectors[:100] + 0.05 * np.random.default_rng(2).normal(size=(100, 32))).astype("f")
    low = build_scann(tf.Variable(vectors), queries, 10, 0.5)
    high = build_scann(tf.Variable(vectors), queries, 10, 0.99)
    assert low.recall >= 0.5 and high.recall >= 0.99
    assert low.index.config.num_leaves_to_search <= high.index.config.num_leaves_to_search
    best = exact_top(vectors, queries, 10)
    assert best.shape == (100, 10)
    assert [set(row) for row in best] == [set(row) for row in np.argsort(-(queries @ vectors.T))[:, :10]]


def test_two_indexes_in_one_process_do_not_meet(fake):
    """ScaNN's resources are found by name; equal names would answer with the other's rows."""
    first, second = (fake.make_vectors(500, 8, seed).astype(np.float32) for seed in (1, 2))
    indexes = [ScannIndex(tf.Variable(vectors), scann_config(500)) for vectors in (first, second)]
    for index, vectors in zip(indexes, (first, second), strict=True):
        found = index(tf.constant(vectors[:50]), 1)
        # Most find themselves; among the other's vectors, none would.
        assert (found.rows.numpy()[:, 0] == np.arange(50)).mean() > 0.5
