"""What the content-only two-tower reads of users and items, by loops; what it is fitted to."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from support.training import toy_training
from support.training.toy_training import GENRES, TAGS

import contract
from components.common.features import MOVIELENS
from components.model.params import ModelParams
from components.model.towers.content_two_tower import ContentTwoTower, stars_of
from components.model.towers.encoders import Sizes
from components.model.user_features import scale_rating
from components.trainer.inputs import events

MEAN = 3.25


@pytest.fixture(scope="module")
def train():
    return toy_training.train_events()


@pytest.fixture(scope="module")
def catalogue(train):
    return toy_training.catalogue(train)


def made(catalogue, features=MOVIELENS):
    sizes = Sizes(80, GENRES, features, {contract.GENRES: GENRES, contract.TAGS: TAGS})
    return ContentTwoTower(ModelParams(kind="content_two_tower", dropout=0.0), sizes, catalogue, MEAN)


@pytest.fixture(scope="module")
def model(catalogue, train):
    model = made(catalogue)
    windows = events.Windows(train, 10)
    model.adapt(windows.pairs(tf.constant(events.PairPositions(train)[:])))
    model.step_losses(windows.pairs(tf.constant([1, 2], tf.int64)), training=False)
    return model


def test_a_users_features_are_means_and_counts_by_genre(model, catalogue, train):
    pairs = events.Windows(train, 10).pairs(tf.constant([3, 19, 41], tf.int64))
    taste = np.zeros((3, GENRES + 1), np.float32)
    taste[1, [0, 2]] = [0.75, -0.25]  # beside the history
    got = model.read_user(pairs.history, tf.gather(catalogue.genres, pairs.rows), tf.constant(taste)).numpy()
    for user in range(3):
        seen = [
            (float(stars), catalogue.genres[row])
            for row, stars, there in zip(
                pairs.rows[user].numpy(), pairs.ratings[user].numpy(), pairs.mask[user].numpy(), strict=True
            )
            if there
        ]
        if user == 1:  # the strongest is 5 stars, a third as strong against it 2.75 - 2.25 / 3
            seen += [(5.0, np.eye(GENRES + 1)[0]), (2.0, np.eye(GENRES + 1)[2])]
        mean = np.mean([stars for stars, _ in seen])
        means, counts = [], []
        for genre in range(GENRES + 1):
            of_genre = [stars for stars, hot in seen if hot[genre]]
            means.append(np.mean(of_genre) if of_genre else mean)
            counts.append(np.log1p(len(of_genre)))
        np.testing.assert_allclose(got[user], [*means, *counts, mean, np.log1p(len(seen))], rtol=1e-5)


def test_of_nobody_the_means_are_everybodys(model, catalogue):
    none = events.Windows(toy_training.train_events(), 4).pairs(tf.constant([0], tf.int64))
    assert not none.mask.numpy().any()
    got = model.read_user(none.history, tf.gather(catalogue.genres, none.rows), model.no_taste(1)).numpy()[0]
    np.testing.assert_allclose(got, [MEAN] * (GENRES + 1) + [0.0] * (GENRES + 1) + [MEAN, 0.0])


def test_items_of_the_same_year_and_genres_are_one(model, catalogue):
    """Tags, popularity and the id change nothing; another year or genre does."""
    items = catalogue.features.map(lambda feature: tf.constant(feature[:1]))
    before = model.embed_items(items).numpy()
    assert np.linalg.norm(before) == pytest.approx(1.0, abs=1e-6)
    same = {contract.indices(contract.TAGS): tf.constant([[0, -1, -1, -1]])}
    others = items._replace(
        item_index=tf.constant([70]),
        popularity_scaled=tf.constant([9.0]),
        content={**items.content, **same},
    )
    np.testing.assert_array_equal(model.embed_items(others), before)
    for name, value in (
        (contract.indices(contract.GENRES), tf.constant([[GENRES, -1, -1]])),
        (contract.scaled(contract.YEAR), tf.constant([-3.0])),
        (contract.known(contract.YEAR), tf.constant([0.0])),
    ):
        changed = items._replace(content={**items.content, name: value})
        assert not np.allclose(model.embed_items(changed), before, atol=1e-4)


def test_the_loss_is_the_squared_error_of_scaled_stars(model, catalogue, train):
    pairs = events.Windows(train, 10).pairs(tf.constant([5, 30, 77], tf.int64))
    queries = model.embed_query(pairs.history, pairs.now).numpy()
    items = model.embed_catalogue().numpy()[pairs.target.numpy()]
    scaled = (pairs.target_rating.numpy() - 2.75) / 2.25
    losses = model.step_losses(pairs, training=False)
    assert list(losses) == ["rating"]
    expected = np.mean(((queries * items).sum(axis=1) - scaled) ** 2)
    assert float(model.total_loss(losses)) == pytest.approx(expected, rel=1e-5)


def test_stars_are_what_scaling_undoes():
    stars = np.array([0.5, 2.75, 3.0, 5.0])
    np.testing.assert_allclose(stars_of(scale_rating(stars)), stars)


def test_a_data_set_that_says_nothing_it_reads_is_refused(catalogue):
    tags = tuple(spec for spec in MOVIELENS if spec.name == contract.TAGS)
    with pytest.raises(ValueError, match=r"example_gen\.item_features has neither"):
        made(catalogue, tags)


@pytest.mark.parametrize("left", [contract.YEAR, contract.GENRES])
def test_one_of_the_two_is_enough(catalogue, left):
    model = made(catalogue, tuple(spec for spec in MOVIELENS if spec.name == left))
    content = {k: v for k, v in catalogue.features.content.items() if k.startswith(left)}
    less = dataclasses.replace(catalogue, features=catalogue.features._replace(content=content))
    vectors = made(less, tuple(spec for spec in MOVIELENS if spec.name == left)).embed_catalogue()
    assert vectors.shape == [80, 32] and model.catalogue is catalogue
