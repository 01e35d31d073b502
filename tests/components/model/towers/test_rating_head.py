import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from components.model.history import History
from components.model.params import ModelParams
from components.model.towers import rating_head

MEAN = 3.5


@pytest.fixture
def head():
    keras.utils.set_random_seed(0)
    return rating_head.RatingHead(ModelParams(rating_shrinkage=5.0, dropout=0.0), MEAN)


def history(ratings, mask):
    zeros = tf.zeros_like(tf.constant(ratings), tf.int32)
    return History(zeros, tf.constant(ratings), tf.cast(zeros, tf.int64), tf.constant(mask))


def test_biases_are_shrunken_deviations(head):
    np.testing.assert_allclose(head.item_bias(tf.constant([0.0, 5.0]), tf.constant([0.0, 22.5])), [0.0, 0.5])
    seen = history([[0.0, 5.0, 4.0]], [[False, True, True]])
    item_bias = tf.constant([[9.0, 0.5, -0.5]])
    # (5 - 3.5 - 0.5) + (4 - 3.5 + 0.5), over 2 events and 5 pseudo-events.
    np.testing.assert_allclose(head.user_bias(seen, item_bias), [2.0 / 7], rtol=1e-6)
    left = head.residuals(seen, item_bias, tf.constant([0.25]))
    np.testing.assert_allclose(left, [[0.0, 0.75, 0.75]])


def test_stars_equal_a_naive_computation(head):
    rng = np.random.default_rng(0)
    item, events = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4))
    mask = rng.random((2, 5)) < 0.6
    mask[1] = False  # a person without a history
    residuals = rng.normal(size=(2, 5)) * mask
    user_bias, item_bias = rng.normal(size=2), rng.normal(size=(2, 3))
    count, features = rng.uniform(0, 5, (2, 3)), rng.normal(size=(2, 5))
    inputs = (item, events, residuals, mask, user_bias, item_bias, count, features)
    got = head(*(tf.constant(x, tf.bool if x.dtype == bool else tf.float32) for x in inputs)).numpy()

    unit = lambda x: x / np.linalg.norm(x)  # noqa: E731
    for b in range(2):
        for m in range(3):
            row = []
            for scale in rating_head._NEIGHBOUR_SCALES:
                weights = {
                    w: np.exp(unit(item[b, m]) @ unit(events[b, w]) / scale) for w in np.flatnonzero(mask[b])
                }
                total = sum(weights.values())
                row.append(sum(v / total * residuals[b, w] for w, v in weights.items()) if weights else 0.0)
            row += [user_bias[b], item_bias[b, m], count[b, m] / 5, *features[b]]
            learnt = float(head._mlp(tf.constant([row], tf.float32))[0, 0])
            expected = MEAN + user_bias[b] + item_bias[b, m] + learnt
            assert got[b, m] == pytest.approx(expected, abs=1e-4)


def test_it_learns_that_similar_items_are_rated_alike(head):
    """Users who rate two kinds of items oppositely: biases know nothing, neighbours all."""
    rng = np.random.default_rng(1)
    kinds = np.eye(2, 8, dtype=np.float32)
    optimizer = keras.optimizers.Adam(0.01)
    errors = []
    for _ in range(300):
        liked = rng.integers(0, 2, 64)  # the kind a user likes
        seen, asked = rng.integers(0, 2, (64, 6)), rng.integers(0, 2, 64)
        residuals = np.where(seen == liked[:, None], 1.0, -1.0).astype(np.float32)
        truth = MEAN + np.where(asked == liked, 1.0, -1.0)
        zeros = tf.zeros([64])
        with tf.GradientTape() as tape:
            stars = head(
                kinds[asked][:, None], kinds[seen], residuals, tf.ones([64, 6], tf.bool),
                zeros, zeros[:, None], zeros[:, None], tf.zeros([64, 5]), training=True,
            )[:, 0]  # fmt: skip
            loss = tf.reduce_mean(tf.square(stars - truth))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, head.trainable_variables), head.trainable_variables, strict=True)
        )
        errors.append(float(loss))
    # An item of a kind that is not in the history stays unknown: 1 / 2^6 of the pairs.
    assert np.mean(errors[-20:]) < 0.2 < 0.9 < errors[0]
