import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import contract
from components.common import progress
from components.model import user_features
from components.model.batches import Pairs
from components.trainer import warm_start
from components.trainer.inputs import events
from components.trainer.loop import eval_recall, fit
from components.trainer.loop.eval_recall import EvalRecall
from components.trainer.params import TrainerParams


def naive_recall(model, histories, targets, k):
    """Recall@k by loops over users and a full sort."""
    items = model.embed_catalogue().numpy()
    values = []
    for u in range(len(histories.offsets) - 1):
        h, t = (slice(x.offsets[u], x.offsets[u + 1]) for x in (histories, targets))
        relevant = {
            row for row, stars in zip(targets.rows[t], targets.ratings[t], strict=True)
            if stars >= contract.RELEVANT_RATING
        }  # fmt: skip
        if not relevant:
            continue
        one = events.Events(
            histories.rows[h], histories.ratings[h], histories.timestamps[h], np.array([0, h.stop - h.start])
        )
        pairs = events.Windows(one, model.params.history_window).whole(
            tf.constant([0], tf.int64),
            tf.constant([h.stop - h.start], tf.int64),
            tf.constant([targets.timestamps[targets.offsets[u]]], tf.int64),
        )
        scores = items @ model.embed_query(pairs.history, pairs.now).numpy()[0]
        ranked = [row for row in np.argsort(-scores, kind="stable") if row not in set(histories.rows[h])]
        values.append(len(relevant & set(ranked[:k])) / len(relevant))
    return np.mean(values)


def held_out(material, users=None):
    """The train histories, of the first `users`, cut once more: all but the last three events, and these."""
    train, parts = material.train, ([], [])
    offsets = train.offsets[: None if users is None else users + 1]
    for low, high in itertools.pairwise(offsets):
        cut = max(high - 3, low)
        parts[0].append(np.arange(low, cut))
        parts[1].append(np.arange(cut, high))
    return tuple(
        events.Events(
            *(values[np.concatenate(p)] for values in (train.rows, train.ratings, train.timestamps)),
            np.concatenate([[0], np.cumsum([len(x) for x in p])]),
        )
        for p in parts
    )


@pytest.mark.parametrize("events_per_block", [None, 70])
def test_eval_recall_equals_a_naive_one(material, monkeypatch, events_per_block):
    if events_per_block:
        monkeypatch.setattr(eval_recall, "_EVENTS_PER_BLOCK", events_per_block)
    model = material.build()
    histories, targets = held_out(material, users=30)
    got = EvalRecall(model, histories, targets, ks=(5, 20))()
    for k in (5, 20):
        assert got[k] == pytest.approx(naive_recall(model, histories, targets, k), abs=1e-6)


def test_eval_recall_of_many_asks_some_always_the_same(material):
    model = material.build()
    histories, targets = held_out(material, users=60)
    everybody = EvalRecall(model, histories, targets, ks=(20,)).users
    some = EvalRecall(model, histories, targets, ks=(20,), at_most=9)
    assert len(some.users) == 9
    assert set(some.users) < set(everybody)
    np.testing.assert_array_equal(EvalRecall(model, histories, targets, (20,), 9).users, some.users)

    def alone(user):
        own = [
            dataclasses.replace(
                flat,
                **{
                    name: getattr(flat, name)[slice(*flat.offsets[user : user + 2])]
                    for name in ("rows", "ratings", "timestamps")
                },
                offsets=flat.offsets[user : user + 2] - flat.offsets[user],
            )
            for flat in (histories, targets)
        ]
        return EvalRecall(model, *own, ks=(20,))()[20]

    assert some()[20] == pytest.approx(np.mean([alone(user) for user in some.users]), abs=1e-6)


def fitted(material, tmp_path, **options):
    params = TrainerParams(seed=3, epochs=2, batch_size=512, uniform_negatives=64, **options)
    keras.utils.set_random_seed(params.seed)
    model = material.build(seed=3)
    recall = EvalRecall(model, *held_out(material), ks=(10, params.monitor_k))
    result = fit.fit(model, material.windows, material.positions, recall, params, str(tmp_path / "logs"))
    return model, result


def test_the_same_seed_gives_the_same_model(material, tmp_path):
    first, result = fitted(material, tmp_path)
    second, again = fitted(material, tmp_path)
    assert result.recall[10] == pytest.approx(again.recall[10], abs=1e-3)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    assert list((tmp_path / "logs").glob("events.out.tfevents*"))


def test_the_best_epochs_weights_are_kept(material, tmp_path, monkeypatch):
    """Recall that falls from the first epoch on stops training and restores epoch 1."""
    params = TrainerParams(epochs=9, patience=2, batch_size=512, uniform_negatives=0)
    keras.utils.set_random_seed(1)
    model = material.build()
    kept = []

    def falling_recall():
        kept.append([w.copy() for w in model.get_weights()])
        return {10: 0.5 - 0.1 * len(kept), params.monitor_k: 0.5 - 0.1 * len(kept)}

    result = fit.fit(model, material.windows, material.positions, falling_recall, params, str(tmp_path))
    assert (result.best_epoch, result.epochs) == (1, 3)
    for now, first in zip(model.get_weights(), kept[0], strict=True):
        np.testing.assert_array_equal(now, first)


@pytest.mark.parametrize(("more", "epochs"), [(-3, 1), (0, 1), (3, 2)])
def test_a_limit_of_steps_ends_the_fit_and_its_learning_rates(material, tmp_path, monkeypatch, more, epochs):
    in_epoch = len(material.positions) // 512  # the rest of an epoch is left out
    allowed = in_epoch + more
    schedules, reports = [], []
    real = fit.learning_rate
    monkeypatch.setattr(fit, "learning_rate", lambda *args: schedules.append(args) or real(*args))
    progress.set_listener(lambda *report: reports.append(report[:2]))
    try:
        _, result = fitted(material, tmp_path, max_steps=allowed)
    finally:
        progress.set_listener(None)
    assert schedules == [(TrainerParams().learning_rate, allowed)]
    assert result.epochs == epochs
    assert reports[-1] == (allowed, allowed)


def test_lazy_adam_is_adam_until_a_row_has_waited(material, tmp_path):
    def ids(steps, lazy):
        model, _ = fitted(material, tmp_path, max_steps=steps, lazy_adam=lazy)
        return model.encoder.ids.embeddings.numpy()

    np.testing.assert_allclose(ids(1, True), ids(1, False), atol=1e-5)
    distance = np.abs(ids(4, True) - ids(4, False)).max(axis=1)
    assert distance.max() > 1e-3


@pytest.mark.parametrize("warm", [False, True])
def test_a_final_fit_ends_where_the_tested_one_was_best(material, tmp_path, warm):
    """On the same data it is the tested fit up to its best epoch: same order, seed and learning rates."""
    params = TrainerParams(seed=5, epochs=4, patience=1, batch_size=512, uniform_negatives=64)

    def fitted(eval_recall, *last_epoch):
        keras.utils.set_random_seed(params.seed)
        model = material.build(seed=params.seed)
        if warm:
            model.encoder.ids.embeddings.assign_add(tf.ones_like(model.encoder.ids.embeddings))
        log_dir = str(tmp_path / str(len(last_epoch)))
        result = fit.fit(
            model, material.windows, material.positions, eval_recall, params, log_dir, *last_epoch
        )
        return model, result

    scores = iter([0.1, 0.3, 0.2, 0.9])  # worse after the second epoch, which ends it
    tested, result = fitted(lambda: {params.monitor_k: next(scores)})
    assert (result.best_epoch, result.epochs) == (2, 3)
    result.write(str(tmp_path))
    assert fit.FitResult.read(str(tmp_path)) == result

    final, again = fitted(dict, fit.FitResult.read(str(tmp_path)).best_epoch)
    assert (again.best_epoch, again.epochs, again.recall) == (2, 2, {})
    for a, b in zip(tested.get_weights(), final.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_a_targets_own_rating_changes_no_input_of_its_pair(material):
    """Its item's count and mean are taken without it, so the prediction cannot see it."""
    model = material.build()
    pairs = material.windows.pairs(tf.constant(material.positions[:40]))

    def predictions(target_rating, catalogue_sum):
        model._sum = tf.constant(catalogue_sum)
        changed = Pairs(**{**vars(pairs), "target_rating": target_rating})
        in_history, item = model.encode_rows(pairs.rows, pairs.target)
        features = model.user_features(pairs.history, pairs.now)
        return model._rate_pairs(changed, pairs.history, in_history, item, features, False)

    rows = pairs.target.numpy()
    # One pair whose item is in no history of the batch: changing its rating changes the item's sum.
    i = next(j for j in range(40) if rows[j] not in pairs.rows.numpy() and (rows == rows[j]).sum() == 1)
    before = predictions(pairs.target_rating, model.catalogue.rating_sum)
    changed_rating = pairs.target_rating.numpy().copy()
    changed_sum = model.catalogue.rating_sum.copy()
    changed_sum[rows[i]] += 0.5 - changed_rating[i]
    changed_rating[i] = 0.5
    after = predictions(tf.constant(changed_rating), changed_sum)
    np.testing.assert_allclose(after[i], before[i], rtol=1e-5)


def test_warm_start_matches_rows_by_vocabulary_string(material, tmp_path):
    old, new = material.build(seed=1), material.build(seed=1)
    for weight in old.trainable_variables:
        weight.assign_add(tf.random.stateless_normal(weight.shape, seed=(1, 2)))
    path = str(tmp_path / "assets.extra" / contract.WARM_START)
    # The earlier run knew everything in another order, one word more and not the last one.
    before = {name: [*reversed(words[:-1]), b"gone"] for name, words in material.vocabularies.items()}
    warm_start.save(old, before, path)

    def table(model, name):
        encoder = model.encoder
        return (encoder.ids if name == "items" else encoder.content.features[name]).embeddings.numpy()

    tables = ("items", "genres", "tags")
    fresh = {name: table(new, name) for name in tables}
    recognised = warm_start.load(new, material.vocabularies, path)

    assert recognised == len(material.transform.items) - 1
    for name in tables:
        words = material.vocabularies[name]
        saved, now = table(old, name), table(new, name)
        for row, word in enumerate(words[:-1]):
            np.testing.assert_array_equal(now[row], saved[before[name].index(word)], err_msg=f"{name} {word}")
        last = len(words) - 1
        np.testing.assert_array_equal(now[last], fresh[name][last])  # never seen before
        if name != "tags":  # unknown tags are dropped: there is no row for them
            np.testing.assert_array_equal(now[-1], saved[-1])
    np.testing.assert_array_equal(new.query_tower.get_weights()[0], old.query_tower.get_weights()[0])
    # Tastes follow the genres, too.
    for row, word in enumerate(material.vocabularies["genres"][:-1]):
        saved_taste = old.query_tower._taste[before["genres"].index(word)]
        np.testing.assert_array_equal(new.query_tower._taste[row], saved_taste)


def test_warm_start_says_what_does_not_fit(material, tmp_path):
    model = material.build()
    with pytest.raises(ValueError, match="there are no weights at"):
        warm_start.load(model, material.vocabularies, str(tmp_path / "nothing.npz"))
    wider = dataclasses.replace(
        material, model_params=material.model_params.model_copy(update={"embedding_dim": 24})
    ).build()
    path = str(tmp_path / "x" / contract.WARM_START)
    warm_start.save(wider, material.vocabularies, path)
    with pytest.raises(ValueError, match=r"same model\.embedding_dim"):
        warm_start.load(model, material.vocabularies, path)


def test_a_loss_that_explodes_is_named(material, tmp_path):
    model = material.build()
    model.rating_head._global_mean = float("nan")
    params = TrainerParams(epochs=1, batch_size=64)
    with pytest.raises(FloatingPointError, match=r"step 1 of epoch 1; lower trainer\.learning_rate"):
        fit.fit(model, material.windows, material.positions, dict, params, str(tmp_path))


@pytest.fixture(scope="module")
def by_sequence(material):
    params = material.model_params.model_copy(update={"query_encoder": "transformer", "dropout": 0.0})
    return dataclasses.replace(material, model_params=params)


def test_a_transformer_learns_from_every_position_and_ranks_better(by_sequence, tmp_path):
    params = TrainerParams(
        seed=2,
        epochs=6,
        patience=6,
        batch_size=128,
        sequence_batch=16,
        uniform_negatives=256,
        learning_rate=0.01,
    )
    keras.utils.set_random_seed(params.seed)
    model = by_sequence.build(seed=params.seed)
    recall = EvalRecall(model, *held_out(by_sequence), ks=(10, params.monitor_k))
    before = recall()[params.monitor_k]
    result = fit.fit(model, by_sequence.windows, by_sequence.positions, recall, params, str(tmp_path))
    assert result.recall[params.monitor_k] > 1.5 * before


def test_negatives_that_are_the_whole_catalogue_are_a_full_softmax(by_sequence):
    model = by_sequence.build()
    size = model.catalogue.size
    ends = events.window_ends(by_sequence.train, by_sequence.model_params.history_window)
    sequences = by_sequence.windows.sequences(tf.constant(ends[:5]))
    pairs = by_sequence.windows.pairs(tf.constant(by_sequence.positions[:4]))
    model._uniform = size
    got = float(model.sequence_losses_of(sequences, pairs, training=False)["retrieval"])

    (encoded,) = model.encode_rows(sequences.rows)
    dates = user_features.date_bumps(sequences.now, model._first, model._last)
    queries = model.query_tower.every_position(sequences.history, encoded, dates).numpy()
    items = model.encode_rows(tf.range(size))[0]
    scale, count = model.catalogue.popularity.scale, model.catalogue.rating_count
    vectors = model.candidate_tower(items, scale(count)).numpy()
    without_own = model.candidate_tower(items, scale(count - 1)).numpy()
    losses, weights = [], []
    for b, t in zip(*np.nonzero(sequences.mask.numpy()), strict=True):
        target, query = int(sequences.target[b, t]), queries[b, t]
        logits = vectors @ query / model.params.temperature
        logits[target] = without_own[target] @ query / model.params.temperature
        losses.append(np.log(np.exp(logits).sum()) - logits[target])
        relevant = sequences.target_rating[b, t] >= contract.RELEVANT_RATING
        weights.append(1.0 if relevant else model._low_rating_weight)
    assert got == pytest.approx(np.average(losses, weights=weights), rel=1e-4)
