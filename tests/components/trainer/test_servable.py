"""What the towers answer over strings is what the model computes in training."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import contract
from components.example_gen.records import read
from components.model.towers.servable import Towers
from components.trainer.inputs import events


@pytest.fixture(scope="module", params=["views", "transformer"])
def saved(material, tmp_path_factory, request):
    params = material.model_params.model_copy(update={"query_encoder": request.param})
    model = dataclasses.replace(material, model_params=params).build()
    path = str(tmp_path_factory.mktemp("towers"))
    transform = material.transform
    Towers(model, material.items.named(transform)).save(path)
    return model, tf.saved_model.load(path)


def strings(material, pairs):
    ids = np.array([*material.items.ids, b""], object)
    rows = np.where(pairs.mask, pairs.rows, len(ids) - 1)
    count = len(pairs.target)
    return {
        contract.HISTORY_ITEM_IDS: tf.constant(ids[rows].astype(bytes)),
        contract.HISTORY_RATINGS: pairs.ratings,
        contract.HISTORY_TIMESTAMPS: pairs.timestamps,
        contract.USER_ID: tf.fill([count], b""),
        contract.NOW: pairs.now,
        contract.TASTE_GENRES: tf.fill([count, 0], b""),
        contract.TASTE_WEIGHTS: tf.fill([count, 0], 0.0),
    }


def test_serving_equals_training(material, saved):
    model, towers = saved
    pairs = material.windows.pairs(tf.constant(material.positions[::97]))
    expected = model.embed_query(pairs.history, pairs.now)
    got = towers.embed_query(**strings(material, pairs))
    np.testing.assert_allclose(got, expected, atol=1e-5)
    # The towers' part ranks as a cosine, the item-item part beside it is there.
    dim = material.model_params.embedding_dim
    tower, part = got[:, :dim], got[:, dim:]
    np.testing.assert_allclose(tf.norm(tower, axis=1), tf.norm(tower[0]), rtol=1e-5)
    assert (tf.norm(part, axis=1).numpy() > 0).all()


def test_item_vectors_are_of_length_one(saved):
    model, _ = saved
    np.testing.assert_allclose(tf.norm(model.embed_catalogue(), axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("item_item_weight", [0.0, 0.02])
def test_without_the_item_item_part_the_towers_are_alone(material, tmp_path, item_item_weight):
    params = material.model_params.model_copy(update={"item_item_weight": item_item_weight})
    model = dataclasses.replace(material, model_params=params).build()
    transform = material.transform
    Towers(model, material.items.named(transform)).save(str(tmp_path))
    pairs = material.windows.pairs(tf.constant(material.positions[:3]))
    towers = tf.saved_model.load(str(tmp_path))
    got = towers.embed_query(**strings(material, pairs))
    np.testing.assert_allclose(got, model.embed_query(pairs.history, pairs.now), atol=1e-5)
    width = params.embedding_dim + (params.item_item_dim if item_item_weight else 0)
    assert got.shape == [3, width] and model.embed_catalogue().shape[1] == width


def test_an_item_embedded_from_its_content_is_its_catalogue_vector(saved, artifacts):
    model, towers = saved
    table = read.read_items(artifacts.items).slice(0, 50)
    lists = {
        name: tf.ragged.constant(table[name].to_pylist(), tf.string).to_tensor(contract.PAD_ID)
        for name in (contract.GENRES, contract.TAGS)
    }
    got = towers.embed_item(
        item_id=tf.constant([x.encode() for x in table[contract.ITEM_ID].to_pylist()]),
        year=tf.constant(table[contract.YEAR].to_numpy()),
        rating_count=tf.constant(table[contract.RATING_COUNT].to_numpy()),
        **lists,
    )
    np.testing.assert_allclose(got, model.embed_catalogue()[:50], atol=1e-5)


def test_a_new_item_is_placed_by_its_content(saved, material):
    _, towers = saved
    genre = material.transform.tastes[0]

    def embed(item_id, genres):
        return towers.embed_item(
            item_id=tf.constant([item_id]), year=tf.constant([1999], tf.int64),
            genres=tf.constant([genres]), tags=tf.constant([[b""]]), rating_count=tf.constant([0], tf.int64),
        )  # fmt: skip

    new, other_id = embed(b"never seen", [genre]), embed(b"nor this", [genre])
    np.testing.assert_array_equal(new, other_id)
    assert not np.allclose(new, embed(b"never seen", [material.transform.tastes[1]]))


def test_ratings_are_stars_and_zero_for_strangers(material, saved):
    _, towers = saved
    pairs = material.windows.pairs(tf.constant(material.positions[:3]))
    known = material.items.ids[:2]
    asked = tf.constant([[*known, b"stranger", b""]] * 3)
    stars = towers.rate(**strings(material, pairs), item_ids=asked).numpy()
    assert ((stars[:, :2] >= contract.MIN_RATING) & (stars[:, :2] <= contract.MAX_RATING)).all()
    np.testing.assert_array_equal(stars[:, 2:], 0)


def test_an_empty_history_and_no_history_at_all_are_the_same_query(material, saved):
    _, towers = saved
    empty = strings(material, material.windows.pairs(tf.constant(material.positions[:1])))
    empty[contract.NOW] = tf.constant([0], tf.int64)
    none = dict(empty)
    for name in contract.HISTORY_FEATURES:
        pad = tf.zeros_like(empty[name])
        empty[name], none[name] = pad, pad[:, :0]
    np.testing.assert_array_equal(towers.embed_query(**empty), towers.embed_query(**none))


def test_tastes_move_an_empty_history(material, saved):
    _, towers = saved
    query = strings(material, material.windows.pairs(tf.constant(material.positions[:1])))
    for name in contract.HISTORY_FEATURES:
        query[name] = tf.zeros_like(query[name])
    plain = towers.embed_query(**query)
    first, second = material.transform.tastes[:2]
    query[contract.TASTE_GENRES] = tf.constant([[first, b"no such genre"]])
    query[contract.TASTE_WEIGHTS] = tf.constant([[5.0, 5.0]])
    liked = towers.embed_query(**query)
    assert not np.allclose(plain, liked)
    query[contract.TASTE_GENRES] = tf.constant([[second]])
    query[contract.TASTE_WEIGHTS] = tf.constant([[5.0]])
    assert not np.allclose(liked, towers.embed_query(**query))


def test_only_the_last_window_counts(material, saved):
    """More events than the tower reads change nothing but their own exclusion."""
    _, towers = saved
    whole = events.Windows(material.train, 60)
    longest = int(np.argmax(np.diff(material.train.offsets)))
    end = material.train.offsets[longest + 1] - 1
    long = strings(material, whole.pairs(tf.constant([end], tf.int64)))
    short = strings(material, material.windows.pairs(tf.constant([end], tf.int64)))
    np.testing.assert_allclose(towers.embed_query(**long), towers.embed_query(**short), atol=1e-6)


def test_tensorflow_servings_padding_changes_no_answer(material, saved):
    """Its batching pads a short row by repeating the first element."""
    _, towers = saved
    query = strings(material, material.windows.pairs(tf.constant(material.positions[5:6])))
    first, second = material.transform.tastes[:2]
    query[contract.TASTE_GENRES] = tf.constant([[first, second]])
    query[contract.TASTE_WEIGHTS] = tf.constant([[1.0, 5.0]])
    plain = towers.embed_query(**query)
    padded = dict(query)
    for name, value in query.items():
        if value.shape.rank == 2 and name not in contract.HISTORY_FEATURES:
            padded[name] = tf.concat([value, value[:, :1], value[:, :1]], axis=1)
    np.testing.assert_allclose(towers.embed_query(**padded), plain, atol=1e-6)

    tags = material.vocabularies["tags"]

    def item(times):
        return towers.embed_item(
            item_id=tf.constant([b"new"]), year=tf.constant([1999], tf.int64),
            genres=tf.constant([[first, second] + [first] * times]),
            tags=tf.constant([[*tags[:2], *tags[:1] * times]]),
            rating_count=tf.constant([3], tf.int64),
        )  # fmt: skip

    np.testing.assert_allclose(item(3), item(0), atol=1e-6)
