"""Profiles of users: the table, and that serving looks up what training gathered."""

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import contract
from components.common.features import FeatureSpec
from components.example_gen.records import read, schemas
from components.model.batches import Sequences
from components.model.towers.servable import Towers
from components.trainer import fitting, warm_start
from components.trainer.inputs import events, profiles
from components.trainer.params import TrainerParams

SPECS = (
    FeatureSpec(name="country", kind="categorical"),
    FeatureSpec(name="likes", kind="multi"),
    FeatureSpec(name="age", kind="number"),
    FeatureSpec(name="says", kind="text"),
)
NAMES = ("user_id", "user_country", "user_likes", "user_age", "user_says")
PEOPLE = [
    ("b", ["DE"], ["tea", "rum"], [30.0], "Tea, please: tea"),
    ("a", [], [], [], ""),
    ("c", ["FR"], ["tea"], [50.0], "rum please"),
    ("d", ["DE"], ["gin"], [40.0], "no"),
]


def timelines(people):
    rows = [
        {
            **{name: [] for name in (*contract.HISTORY_FEATURES, *contract.TARGET_FEATURES)},
            **dict(zip(NAMES, person, strict=True)),
            contract.SLICE_HISTORY: "", contract.SLICE_COLD: "",
        }
        for person in people
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schemas.timelines_schema(SPECS))


def test_the_table_equals_plain_python():
    table = profiles.profiles(timelines(PEOPLE), SPECS, max_values=3)
    assert list(table.user_ids) == [b"b", b"a", b"c", b"d"]
    country = table.content["country_indices"]
    assert country.tolist() == [[-1], [0], [-1], [1], [0]]  # row 0 is of nobody
    assert table.words == {
        "country": [b"DE", b"FR"],
        "likes": [b"tea", b"gin", b"rum"],
        "says": [b"please", b"no", b"rum"],
    }
    assert table.content["likes_indices"].tolist() == [[-1, -1], [0, 2], [-1, -1], [0, -1], [1, -1]]
    assert table.content["age_known"].tolist() == [0, 1, 0, 1, 1]
    ages = np.array([30.0, 50.0, 40.0])
    expected = [0, *((x - ages.mean()) / ages.std() if x else 0 for x in (30.0, 0, 50.0, 40.0))]
    np.testing.assert_allclose(table.content["age_scaled"], expected, rtol=1e-6)
    # "please" is on two texts; of no, rum and tea, on one each, the first two are kept.
    idf = {"please": 1 + math.log(5 / 3), "no": 1 + math.log(5 / 2), "rum": 1 + math.log(5 / 2)}
    assert table.content["says_indices"].tolist() == [[-1, -1], [0, -1], [-1, -1], [2, 0], [1, -1]]
    np.testing.assert_allclose(
        table.content["says_weights"],
        [[0, 0], [idf["please"], 0], [0, 0], [idf["rum"] / 2, idf["please"] / 2], [idf["no"], 0]],
        rtol=1e-6,
    )
    others = timelines([PEOPLE[2], ("z", *PEOPLE[0][1:]), PEOPLE[0]])
    assert profiles.rows_of(table, others).tolist() == [3, 0, 1]
    assert profiles.profiles(timelines(PEOPLE), (), 3) is None


@pytest.fixture(scope="module")
def profiled(material, artifacts):
    """The shared run's users with profiles made up for every second one."""
    uri = artifacts.timelines
    train = read.read_timelines(uri, contract.TRAIN)
    users = train[contract.USER_ID].to_pylist()
    people = [(user, *(PEOPLE[i // 2 % 4][1:] if i % 2 else PEOPLE[1][1:])) for i, user in enumerate(users)]
    table = profiles.profiles(timelines(people), SPECS, max_values=100)
    found = dataclasses.replace(material.train, profiles=profiles.rows_of(table, train))
    windows = events.Windows(found, material.model_params.history_window)
    model = fitting.build(
        material.model_params, TrainerParams(uniform_negatives=16), material.transform, material.items,
        windows, material.positions, known=table,
    )  # fmt: skip
    for weight in model.profile_tower.trainable_variables:
        weight.assign_add(0.3 * tf.random.stateless_normal(weight.shape, seed=(4, 2)))
    return model, windows, users, table


def test_a_profile_moves_a_query_and_none_does_not(profiled, material):
    model, windows, _, _ = profiled
    pairs = windows.pairs(tf.constant(material.positions[::301]))
    (encoded,) = model.encode_rows(pairs.rows)
    known = model.user_features(pairs.history, pairs.now)
    taste = tf.zeros([len(pairs.target), model.catalogue.genres.shape[1]])
    asked = (pairs.history, encoded, known, model.calendar(pairs.history, pairs.now), taste)
    plain = model.query(*asked)
    nobody = model.query(*asked, tf.zeros_like(pairs.profile))
    moved = model.query(*asked, pairs.profile)
    np.testing.assert_allclose(nobody, plain, atol=1e-6)
    np.testing.assert_allclose(tf.norm(moved, axis=1), 1, rtol=1e-5)
    content = model.profiles.content
    has = (content["country_indices"][pairs.profile.numpy()] >= 0).any(axis=1)
    assert 0 < has.sum() < len(has)
    change = np.abs(moved - plain).max(axis=1)
    assert (change[has] > 1e-3).all()
    assert (change[~has] < 1e-6).all()


def test_each_pair_has_its_own_users_profile(profiled, material):
    _, windows, users, table = profiled
    positions = material.positions[::97]
    owner = np.searchsorted(material.train.offsets, positions, side="right") - 1
    got = windows.pairs(tf.constant(positions)).profile.numpy()
    assert [table.user_ids[row - 1].decode() for row in got] == [users[u] for u in owner]
    low, high = material.train.offsets[5:9], material.train.offsets[6:10]
    whole = windows.whole(tf.constant(low), tf.constant(high), tf.zeros([4], tf.int64))
    assert whole.profile.numpy().tolist() == [6, 7, 8, 9]
    ends = high - 2  # each of these users' last window
    assert windows.sequences(tf.constant(ends)).profile.numpy().tolist() == [6, 7, 8, 9]


def test_the_profiles_are_fitted(profiled, material):
    model, windows, _, _ = profiled
    with tf.GradientTape() as tape:
        loss = model.total_loss(model.losses_of(windows.pairs(tf.constant(material.positions[:64])), True))
    gradients = tape.gradient(loss, model.profile_tower.trainable_variables)
    assert all(gradient is not None for gradient in gradients)


def test_every_position_of_the_transformer_is_moved(profiled, material):
    model, windows, _, table = profiled
    params = model.params.model_copy(update={"query_encoder": "transformer"})
    model = fitting.build(
        params, TrainerParams(uniform_negatives=16), material.transform, material.items,
        windows, material.positions, known=table,
    )  # fmt: skip
    ends = events.window_ends(windows.events, params.history_window)
    ends = tf.constant(ends[:: len(ends) // 16])
    pairs = windows.pairs(tf.constant(material.positions[:8]))
    sequences = windows.sequences(ends)
    with tf.GradientTape() as tape:
        loss = model.total_loss(model.sequence_losses_of(sequences, pairs, True))
    gradients = tape.gradient(loss, model.profile_tower.trainable_variables)
    assert all(np.abs(tf.convert_to_tensor(gradient)).max() > 0 for gradient in gradients)
    tables = model.profile_tower._content.features["country"].embeddings
    losses = []
    for profile in (sequences.profile, tf.zeros_like(sequences.profile)):
        tables.assign(10.0 * tf.ones_like(tables))
        tf.random.set_seed(3)
        asked = Sequences(**{**vars(sequences), "profile": profile})
        losses.append(float(model.sequence_losses_of(asked, pairs, False)["retrieval"]))
    assert losses[0] != pytest.approx(losses[1], rel=1e-5)  # nothing else differs


def test_a_warm_start_knows_the_words_of_profiles(profiled, material, tmp_path):
    model, _, _, table = profiled
    words = warm_start.vocabularies(material.transform, table)
    assert words["user:country"] == [b"DE", b"FR"]
    tables = model.profile_tower._content.features["country"].embeddings
    saved = tables.numpy()
    path = str(tmp_path / "x" / contract.WARM_START)
    warm_start.save(model, {**words, "user:country": [b"FR", b"DE"]}, path)
    warm_start.load(model, words, path)
    np.testing.assert_array_equal(tables, saved[[1, 0, 2]])
    tables.assign(saved)


def test_serving_looks_up_what_training_gathered(profiled, material, tmp_path):
    model, windows, _, table = profiled
    transform = material.transform
    Towers(model, material.items.named(transform)).save(str(tmp_path))
    towers = tf.saved_model.load(str(tmp_path))
    pairs = windows.pairs(tf.constant(material.positions[::301]))
    ids = np.array([*material.items.ids, b""], object)
    rows = np.where(pairs.mask, pairs.rows, len(ids) - 1)
    inputs = {
        contract.HISTORY_ITEM_IDS: tf.constant(ids[rows].astype(bytes)),
        contract.HISTORY_RATINGS: pairs.ratings,
        contract.HISTORY_TIMESTAMPS: pairs.timestamps,
        contract.NOW: pairs.now,
        contract.TASTE_GENRES: tf.fill([len(pairs.now), 1], b""),
        contract.TASTE_WEIGHTS: tf.zeros([len(pairs.now), 1]),
    }
    for user_ids, rows in (
        ([table.user_ids[row - 1] for row in pairs.profile.numpy()], pairs.profile),
        ([b"a stranger"] * len(pairs.now), tf.zeros_like(pairs.profile)),
        ([b""] * len(pairs.now), tf.zeros_like(pairs.profile)),
    ):
        got = towers.embed_query(**inputs, user_id=tf.constant(user_ids))
        expected = model.embed_query(pairs.history, pairs.now, rows)
        np.testing.assert_allclose(got, expected, atol=1e-5)
