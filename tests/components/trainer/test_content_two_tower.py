"""The content-only two-tower through the trainer: fitted, served as fitted, started from its own weights."""

import numpy as np
import pytest
import tensorflow as tf

import contract
from components.common.tensors import neutral
from components.model.params import ModelParams
from components.trainer import fitting, warm_start
from components.trainer.inputs import events
from components.trainer.params import TrainerParams

PARAMS = ModelParams(kind="content_two_tower", history_window=20, dropout=0.1)
TRAINER = TrainerParams(epochs=2, batch_size=512, learning_rate=1e-3)


@pytest.fixture(scope="module")
def held_out(material):
    """The last event of each user, to be found by those before it."""
    ends = material.train.offsets[1:]
    histories = material.train
    targets = events.Events(
        histories.rows[ends - 1], np.full(len(ends), 5.0, np.float32), histories.timestamps[ends - 1],
        np.arange(len(ends) + 1),
    )  # fmt: skip
    keep = np.ones(len(histories.rows), bool)
    keep[ends - 1] = False
    offsets = np.concatenate([[0], np.cumsum(keep)])[histories.offsets]
    before = events.Events(histories.rows[keep], histories.ratings[keep], histories.timestamps[keep], offsets)
    return before, targets


def fitted(material, held_out, logs, **options):
    return fitting.fit_model(
        PARAMS, TRAINER.model_copy(update=options), material.transform, material.items, material.train,
        held_out, str(logs),
    )  # fmt: skip


@pytest.fixture(scope="module")
def model(material, held_out, tmp_path_factory):
    model, result = fitted(material, held_out, tmp_path_factory.mktemp("logs"))
    assert result.best_epoch >= 1 and set(result.recall) == {10, 20, 100}
    return model


@pytest.fixture(scope="module")
def towers(model, material, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("content"))
    fitting.servable(model, material.items, material.transform).save(path)
    return tf.saved_model.load(path)


def asked(material, pairs, **inputs):
    ids = np.array([*material.items.ids, b""], object)
    request = {
        item.name: neutral(item, len(pairs.target))
        for item in contract.SIGNATURES[contract.EMBED_QUERY].inputs
    }
    rows = np.where(pairs.mask, pairs.rows, len(ids) - 1)
    return {
        **request,
        contract.HISTORY_ITEM_IDS: tf.constant(ids[rows].astype(bytes)),
        contract.HISTORY_RATINGS: pairs.ratings,
        **inputs,
    }


def test_it_learns(model, material):
    """Better than the mean of the ratings on the pairs that it was fitted to."""
    pairs = material.windows.pairs(tf.constant(material.positions[:]))
    error = float(model.step_losses(pairs, training=False)["rating"])
    assert error < np.var((pairs.target_rating.numpy() - 2.75) / 2.25)


def test_serving_equals_training(model, towers, material):
    pairs = material.windows.pairs(tf.constant(material.positions[::301]))
    queries = towers.embed_query(**asked(material, pairs))
    np.testing.assert_allclose(queries, model.embed_query(pairs.history, pairs.now), atol=1e-5)
    items = model.embed_catalogue().numpy()
    np.testing.assert_allclose(np.linalg.norm(items, axis=1), 1.0, rtol=1e-5)
    stars = towers.rate(
        **asked(material, pairs),
        item_ids=tf.constant([[*material.items.ids[:3], b"stranger"]] * len(queries)),
    ).numpy()
    np.testing.assert_allclose(stars[:, :3], 2.75 + 2.25 * (queries.numpy() @ items[:3].T), atol=1e-4)
    np.testing.assert_array_equal(stars[:, 3], 0)


def test_a_new_item_is_placed_by_its_content(model, towers, material):
    first = material.transform.tastes[0]

    def embed(item_id, genre):
        return towers.embed_item(
            item_id=tf.constant([item_id]), year=tf.constant([1999], tf.int64),
            genres=tf.constant([[genre]]), tags=tf.constant([[b""]]), rating_count=tf.constant([0], tf.int64),
        ).numpy()  # fmt: skip

    np.testing.assert_array_equal(embed(b"new", first), embed(material.items.ids[0], first))
    assert not np.allclose(embed(b"new", first), embed(b"new", material.transform.tastes[1]), atol=1e-4)


def test_tastes_alone_move_the_query(towers, material):
    none = material.windows.pairs(tf.constant([0], tf.int64))
    queries = [
        towers.embed_query(
            **asked(material, none, taste_genres=tf.constant([[name]]), taste_weights=tf.constant([[1.0]]))
        ).numpy()
        for name in (b"no such genre", *material.transform.tastes[:2])
    ]
    assert not np.allclose(queries[0], queries[1], atol=1e-4)
    assert not np.allclose(queries[1], queries[2], atol=1e-4)


def test_it_starts_from_its_own_weights_and_from_no_other_kinds(model, material, tmp_path):
    vocabularies = warm_start.vocabularies(material.transform, None)
    path = str(tmp_path / contract.WARM_START)
    warm_start.save(model, vocabularies, path)
    fresh = fitting.build(
        PARAMS, TRAINER, material.transform, material.items, material.windows, material.positions
    )  # fmt: skip
    assert not np.allclose(fresh.embed_catalogue(), model.embed_catalogue(), atol=1e-3)
    warm_start.load(fresh, vocabularies, path)
    np.testing.assert_array_equal(fresh.embed_catalogue(), model.embed_catalogue())
    with pytest.raises(ValueError, match="it is of another kind of model"):
        warm_start.load(material.build(), vocabularies, path)


def test_it_does_not_start_from_weights_of_other_genres_or_another_order_of_them(model, material, tmp_path):
    vocabularies = warm_start.vocabularies(material.transform, None)
    path = str(tmp_path / "weights.npz")
    tastes = list(vocabularies["tastes"])
    for other in (tastes[::-1], [b"another", *tastes[1:]]):
        warm_start.save(model, {**vocabularies, "tastes": other}, path)
        with pytest.raises(ValueError, match="in another order"):
            warm_start.load(model, vocabularies, path)


def test_it_learns_from_ratings_alone(material, tmp_path):
    with pytest.raises(ValueError, match="content_two_tower: learns from ratings, and this log has none"):
        fitting.fit_model(
            PARAMS, TRAINER, material.transform, material.items, material.train, None, str(tmp_path),
            implicit=True,
        )  # fmt: skip
