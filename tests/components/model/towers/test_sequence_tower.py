import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from components.model.history import History
from components.model.params import ModelParams
from components.model.towers import sequence_tower
from components.model.towers.encoders import Sizes
from components.model.user_features import NUM_DATES, NUM_FEATURES

WINDOW, DIM, GENRES = 6, 8, 3


@pytest.fixture
def tower():
    keras.utils.set_random_seed(0)
    params = ModelParams(
        query_encoder="transformer", embedding_dim=DIM, history_window=WINDOW, attention_layers=2, dropout=0.3
    )
    tower = sequence_tower.SequenceTower(Sizes(10, GENRES, features=(), words={}), params)
    answer(tower, *batch([3]))  # creates the weights
    for i, weight in enumerate(tower.trainable_variables):  # biases and the like start at 0
        weight.assign_add(0.2 * tf.random.stateless_normal(weight.shape, seed=(i, 1)))
    return tower


def batch(lengths, seed=0):
    """Right-aligned windows of random events; the encoding of each."""
    rng = np.random.default_rng(seed)
    shape = (len(lengths), WINDOW)
    mask = np.arange(WINDOW) >= WINDOW - np.array(lengths)[:, None]
    times = 86_400 * np.cumsum(rng.integers(1, 9, shape), axis=1) * mask
    stars = rng.integers(1, 10, shape) / 2 * mask
    history = History(
        tf.zeros(shape, tf.int32), tf.constant(stars, tf.float32), tf.constant(times), tf.constant(mask)
    )
    return history, tf.constant(rng.normal(size=(*shape, DIM)), tf.float32)


def answer(tower, history, encoded, calendar=None, taste=None, training=False):
    count = len(encoded)
    calendar = tf.zeros([count, NUM_DATES]) if calendar is None else calendar
    taste = tf.zeros([count, GENRES + 1]) if taste is None else taste
    features = tf.zeros([count, NUM_FEATURES])
    return tower(history, encoded, features, calendar, taste, taste, training=training)


def test_attention_equals_a_naive_one():
    keras.utils.set_random_seed(1)
    block = sequence_tower.Block(DIM, 2, WINDOW, 0.0, "block")
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1, WINDOW, DIM)).astype(np.float32)
    mask = np.array([[False, False, True, True, True, True]])
    block(tf.constant(x), tf.constant(mask))
    block._bias.assign(rng.normal(size=(2, WINDOW)))
    got = block._attend(tf.constant(x), tf.constant(mask)).numpy()[0]

    qkv = (x[0] @ block._qkv.kernel.numpy()).reshape(WINDOW, 3, 2, DIM // 2)
    for t in range(2, WINDOW):
        heads = []
        for h in range(2):
            seen = range(2, t + 1)
            logits = [
                qkv[t, 0, h] @ qkv[s, 1, h] / np.sqrt(DIM // 2) + block._bias.numpy()[h, t - s] for s in seen
            ]
            weights = np.exp(logits) / np.exp(logits).sum()
            heads.append(sum(w * qkv[s, 2, h] for w, s in zip(weights, seen, strict=True)))
        expected = np.concatenate(heads) @ block._join.kernel.numpy() + block._join.bias.numpy()
        np.testing.assert_allclose(got[t], expected, atol=1e-5)


def test_a_position_knows_what_came_before_and_nothing_after(tower):
    history, encoded = batch([6, 6])
    dates = tf.zeros([2, WINDOW, NUM_DATES])
    before = tower.every_position(history, encoded, dates).numpy()
    changed = encoded.numpy()
    changed[:, 3] *= -1.0
    after = tower.every_position(history, tf.constant(changed), dates).numpy()
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=1e-6)
    for t in range(3, WINDOW):
        assert not np.allclose(after[:, t], before[:, t], atol=1e-4)


def test_every_position_answers_as_the_last_of_its_own_history(tower):
    """What training learns at all positions is what a request, right-aligned, is answered by."""
    history, encoded = batch([6])
    dates = tf.random.stateless_normal([1, WINDOW, NUM_DATES], seed=(1, 2))
    everywhere = tower.every_position(history, encoded, dates)
    for t in range(WINDOW):
        shift = WINDOW - 1 - t
        moved = History(*(tf.pad(x[:, : t + 1], [[0, 0], [shift, 0]]) for x in history))
        alone = answer(tower, moved, tf.pad(encoded[:, : t + 1], [[0, 0], [shift, 0], [0, 0]]), dates[:, t])
        np.testing.assert_allclose(everywhere[0, t], alone[0], atol=1e-5)


def test_pads_change_nothing(tower):
    history, encoded = batch([2])
    changed = encoded.numpy()
    changed[:, :4] = 9.0
    np.testing.assert_allclose(
        answer(tower, history, encoded), answer(tower, history, tf.constant(changed)), atol=1e-6
    )


def test_order_stars_gaps_dates_and_tastes_all_count(tower):
    history, encoded = batch([5])
    plain = answer(tower, history, encoded).numpy()
    swapped = tf.gather(encoded, [0, 2, 1, 3, 4, 5], axis=1)
    other = {
        "order": answer(tower, history, tf.concat([encoded[:, :1], swapped[:, 1:]], axis=1)),
        "stars": answer(tower, history._replace(ratings=6.0 - history.ratings), encoded),
        "gaps": answer(tower, history._replace(timestamps=history.timestamps * 3), encoded),
        "date": answer(tower, history, encoded, calendar=tf.ones([1, NUM_DATES])),
        "taste": answer(tower, history, encoded, taste=tf.ones([1, GENRES + 1])),
    }
    for name, vector in other.items():
        assert np.abs(vector - plain).max() > 1e-3, name
        np.testing.assert_allclose(np.linalg.norm(vector, axis=1), 1.0, rtol=1e-5)


def test_an_empty_history_is_the_same_whatever_lies_in_its_pads(tower):
    history, encoded = batch([0])
    np.testing.assert_array_equal(answer(tower, history, encoded), answer(tower, history, encoded * 5.0))


def test_without_a_history_is_as_with_an_empty_one(tower):
    history, encoded = batch([0, 0])
    dates = tf.random.stateless_normal([2, NUM_DATES], seed=(1, 2))
    taste = tf.random.stateless_uniform([2, GENRES + 1], seed=(3, 4))
    np.testing.assert_allclose(
        tower.without_history(dates, taste),
        answer(tower, history, encoded, calendar=dates, taste=taste),
        atol=1e-6,
    )


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="3 heads do not divide embedding_dim 64"):
        ModelParams(query_encoder="transformer", attention_heads=3)
