"""Feedback without ratings: no rating head, and a positive weighs as its event does."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import contract
from components.model.batches import Pairs, Sequences
from components.model.towers.servable import Towers
from components.trainer.inputs import events
from components.trainer.loop import fit
from components.trainer.params import TrainerParams


@pytest.fixture(scope="module")
def model(material):
    return material.build(implicit=True)


def test_there_is_no_rating_head(model, material):
    assert not [variable.name for variable in model.variables if "rating" in variable.name]
    losses = model.losses_of(material.windows.pairs(tf.constant(material.positions[:8])), training=True)
    assert list(losses) == ["retrieval"]
    assert float(model.total_loss(losses)) == pytest.approx(float(losses["retrieval"]))


def test_a_batchs_loss_is_the_mean_of_its_pairs_by_weight(model, material):
    pairs = material.windows.pairs(tf.constant(material.positions[::211][:6]))

    def loss(weights):
        ratings = contract.rating_of_weight(np.asarray(weights, np.float32))
        tf.random.set_seed(5)  # the same drawn negatives each time
        return float(model.losses_of(Pairs(**{**vars(pairs), "target_rating": ratings}), False)["retrieval"])

    alone = [loss(np.eye(6)[i]) for i in range(6)]
    weights = np.array([1.0, 0.5, 1 / 6, 1.0, 0.5, 0.25])
    assert len(set(np.round(alone, 3))) == 6
    assert loss(weights) == pytest.approx(np.average(alone, weights=weights), rel=1e-4)
    assert loss(weights) != pytest.approx(np.mean(alone), rel=1e-3)


def test_every_position_of_the_transformer_weighs_as_its_event_does(material):
    model = dataclasses.replace(
        material, model_params=material.model_params.model_copy(update={"query_encoder": "transformer"})
    ).build(implicit=True)
    ends = events.window_ends(material.train, material.model_params.history_window)
    sequences = material.windows.sequences(tf.constant(ends[3:5]))
    pairs = material.windows.pairs(tf.constant(material.positions[:4]))
    where = np.argwhere(sequences.mask)[::3][:4]

    def loss(weights):
        ratings = np.full(sequences.mask.shape, contract.rating_of_weight(0.0), np.float32)
        ratings[tuple(where.T)] = contract.rating_of_weight(np.asarray(weights, np.float32))
        tf.random.set_seed(5)
        changed = Sequences(**{**vars(sequences), "target_rating": tf.constant(ratings)})
        losses = model.sequence_losses_of(changed, pairs, training=False)
        assert list(losses) == ["retrieval"]
        return float(losses["retrieval"])

    alone = [loss(np.eye(4)[i]) for i in range(4)]
    weights = np.array([0.25, 1.0, 1 / 6, 0.5])
    assert loss(weights) == pytest.approx(np.average(alone, weights=weights), rel=1e-4)
    assert loss(weights) != pytest.approx(np.mean(alone), rel=1e-3)


def test_it_can_be_fitted_and_served(material, tmp_path):
    model = material.build(implicit=True)
    params = TrainerParams(epochs=1, batch_size=512)
    keras.utils.set_random_seed(1)
    before = model.encoder.ids.embeddings.numpy().copy()
    fit.fit(model, material.windows, material.positions, dict, params, str(tmp_path / "logs"))
    assert not np.allclose(model.encoder.ids.embeddings.numpy(), before)
    transform = material.transform
    Towers(model, material.items.named(transform)).save(str(tmp_path / "m"))
    towers = tf.saved_model.load(str(tmp_path / "m"))
    asked = {item.name: tf.fill(item.shape(2), tf.constant(item.neutral, item.dtype))
             for item in contract.SIGNATURES[contract.RATE].inputs}  # fmt: skip
    asked[contract.ITEM_IDS] = tf.constant([[item] for item in material.items.ids[:2]])
    np.testing.assert_array_equal(towers.rate(**asked), np.zeros((2, 1)))
