import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from components.model.towers.retrieval_loss import RetrievalLoss, sampling_share, shared_negatives_loss


def naive_loss(queries, candidates, rows, share, weights, temperature):
    """Softmax cross-entropy by loops; the positive of query i is candidate i."""
    total = 0.0
    for i, query in enumerate(queries):
        logits = [
            query @ candidate / temperature - np.log(max(share[j], 1e-6))
            for j, candidate in enumerate(candidates)
            if j == i or rows[j] != rows[i]  # accidental hits are left out
        ]
        positive = query @ candidates[i] / temperature - np.log(max(share[i], 1e-6))
        total += weights[i] * (np.log(np.sum(np.exp(logits))) - positive)
    return total / np.sum(weights)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    unit = lambda x: (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)  # noqa: E731
    rows = np.array([3, 7, 3, 1, 7, 9, 2], np.int32)  # 3 and 7 are accidental hits
    share = rng.uniform(0.01, 0.4, 7).astype(np.float32)
    return unit(rng.normal(size=(4, 8))), unit(rng.normal(size=(7, 8))), rows, share


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_loss_equals_a_naive_softmax(batch, temperature):
    queries, candidates, rows, share = batch
    weights = np.array([1.0, 0.3, 1.0, 0.5], np.float32)
    loss = RetrievalLoss(temperature)(*(tf.constant(x) for x in (queries, candidates, rows, share, weights)))
    expected = naive_loss(queries, candidates, rows, share, weights, temperature)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_logq_lowers_the_logit_of_a_frequent_negative(batch):
    """The sign of the correction: a negative that is sampled often must weigh less, not more."""
    queries, candidates, _, share = batch
    rows = np.arange(7, dtype=np.int32)
    weights = np.ones(4, np.float32)

    def loss(share_of_last):
        changed = np.concatenate([share[:-1], [share_of_last]]).astype(np.float32)
        inputs = (queries, candidates, rows, changed, weights)
        return float(RetrievalLoss(1.0)(*(tf.constant(x) for x in inputs)))

    assert loss(0.5) < loss(0.1) < loss(0.01)


def learnt_popularity(p, corrected):
    """What scores without any query information converge to."""
    rng = np.random.default_rng(0)
    logits = tf.Variable(tf.zeros([len(p)]))
    loss_fn = RetrievalLoss(1.0)
    optimizer = keras.optimizers.Adam(0.05)
    for _ in range(300):
        rows = rng.choice(len(p), size=64, p=p).astype(np.int32)
        frequency = tf.gather(tf.constant(p, tf.float32), rows)
        share = sampling_share(frequency, 64, 0, len(p)) if corrected else tf.fill([64], 0.5)
        with tf.GradientTape() as tape:
            # A one-dimensional "tower": the score of an item is its own logit.
            loss = loss_fn(
                tf.ones([64, 1]), tf.gather(logits, rows)[:, tf.newaxis], rows, share, tf.ones([64])
            )
        optimizer.apply_gradients([(tape.gradient(loss, logits), logits)])
    return logits.numpy()


def test_only_with_logq_do_scores_follow_popularity():
    """Softmax over uniform candidates learns log p(item); in-batch draws cancel it unless corrected."""
    p = 1 / np.arange(1, 101)
    p /= p.sum()
    slope = {c: np.polyfit(np.log(p), learnt_popularity(p, c), 1)[0] for c in (True, False)}
    assert slope[True] == pytest.approx(1.0, abs=0.2)
    assert slope[False] == pytest.approx(0.0, abs=0.2)


def test_share_of_mixed_candidates():
    """B in-batch draws by frequency and S even draws over N items."""
    share = sampling_share(tf.constant([0.5, 0.0]), 30, 10, 100)
    np.testing.assert_allclose(share, [(30 * 0.5 + 0.1) / 40, 0.1 / 40], rtol=1e-6)


def test_shared_negatives_equal_a_naive_softmax(batch):
    queries, candidates, _, _ = batch
    positives, negatives = candidates[:4], candidates[4:]
    hits = np.array([[True, False, False], [False] * 3, [False, True, True], [False] * 3])
    weights = np.array([1.0, 0.3, 1.0, 0.5], np.float32)
    got = shared_negatives_loss(
        *(tf.constant(x) for x in (queries, positives, negatives, hits, weights)),
        temperature=0.2,
        catalogue=30,
    )
    total = 0.0
    for i, query in enumerate(queries):
        positive = query @ positives[i] / 0.2
        rest = sum(
            30 / 3 * np.exp(query @ n / 0.2) for n, hit in zip(negatives, hits[i], strict=True) if not hit
        )
        total += weights[i] * (np.log(np.exp(positive) + rest) - positive)
    assert float(got) == pytest.approx(total / weights.sum(), rel=1e-5)


def test_a_sample_of_negatives_estimates_the_full_softmax():
    rng = np.random.default_rng(3)
    unit = lambda x: (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)  # noqa: E731
    queries, catalogue = unit(rng.normal(size=(3, 8))), unit(rng.normal(size=(500, 8)))
    target = np.array([7, 100, 400])

    def loss(rows):
        hits = tf.constant(target[:, None] == rows[None])
        return float(
            shared_negatives_loss(
                tf.constant(queries), tf.constant(catalogue[target]), tf.constant(catalogue[rows]), hits,
                tf.ones(3), 0.5, 500,
            )
        )  # fmt: skip

    full = loss(np.arange(500))
    logits = queries @ catalogue.T / 0.5
    assert full == pytest.approx(np.mean(np.log(np.exp(logits).sum(1)) - logits[range(3), target]), rel=1e-5)
    assert np.mean([loss(rng.integers(0, 500, 50)) for _ in range(200)]) == pytest.approx(full, rel=0.01)
