"""A SavedModel whose `evaluate` answers from a table: nothing to train, every answer known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

import contract

K = contract.EVALUATE_K
DAY = 86_400  # seconds


@dataclasses.dataclass
class User:
    """A test user and what the model answers for it."""

    user_id: bytes
    targets: list[bytes]
    ratings: list[float]
    predicted: list[float]
    cold: list[float]
    ranked: list[bytes]
    exact: list[bytes]
    popular: list[bytes]
    novelty: list[float]
    slice_history: bytes = b"001-009"
    slice_cold: bytes = b"warm"


def random_users(rng: np.random.Generator, count: int, catalogue: int) -> list[User]:
    """Users whose targets often appear in the rankings; some have no relevant or no cold target."""
    items = np.array([f"m{i}".encode() for i in range(catalogue)], dtype=object)
    users = []
    for i in range(count):
        targets = rng.choice(items, rng.integers(1, 8), replace=False).tolist()
        shown = int(rng.integers(0, min(K, catalogue) + 1)) if i % 7 == 0 else min(K, catalogue)
        exact = rng.permutation(items)[:shown].tolist()
        ranked = list(exact)
        if shown > 2 and i % 3 == 0:
            ranked[1], ranked[-1] = ranked[-1], ranked[1]
        users.append(
            User(
                user_id=f"u{i}".encode(),
                targets=targets,
                ratings=(rng.integers(1, 11, len(targets)) / 2).tolist(),
                predicted=np.where(
                    rng.random(len(targets)) < 0.1, 0.0, rng.uniform(0.5, 5, len(targets))
                ).tolist(),
                cold=(rng.random(len(targets)) < 0.3).astype(float).tolist(),
                ranked=ranked,
                exact=exact,
                popular=rng.permutation(items)[:shown].tolist(),
                novelty=rng.uniform(1, 12, shown).tolist(),
                slice_history=rng.choice([b"001-009", b"010-029"]),
                slice_cold=rng.choice([b"cold", b"warm"]),
            )
        )
    return users


def rows(users: list[User], catalogue: int) -> list[dict[str, np.ndarray]]:
    """Each user's row of `evaluate`, padded to the widest as a batch would be."""
    width = max(len(user.targets) for user in users)

    def ids(values: list[bytes], columns: int) -> np.ndarray:
        return np.array(values + [contract.PAD_ID] * (columns - len(values)), dtype=object)

    def floats(values: list[float], columns: int, pad: float) -> np.ndarray:
        return np.array(values + [pad] * (columns - len(values)), np.float32)

    return [
        {
            contract.ITEM_IDS: ids(user.ranked, K),
            contract.SCORES: np.zeros(K, np.float32),
            contract.EXACT_ITEM_IDS: ids(user.exact, K),
            contract.POPULAR_ITEM_IDS: ids(user.popular, K),
            contract.TARGET_ITEM_IDS: ids(user.targets, width),
            contract.TARGET_RATINGS: floats(user.ratings, width, np.nan),
            contract.PREDICTED_RATINGS: floats(user.predicted, width, np.nan),
            contract.ITEM_NOVELTY: floats(user.novelty, K, np.nan),
            contract.TARGET_COLD: floats(user.cold, width, np.nan),
            contract.CATALOGUE_SIZE: np.int64(catalogue),
        }
        for user in users
    ]


class _Table(tf.Module):
    """`evaluate` by looking up the user id of each serialized timeline."""

    def __init__(self, users: list[User], catalogue: int) -> None:
        super().__init__()
        table = rows(users, catalogue)
        self._outputs = {
            name: tf.constant(np.stack([row[name] for row in table]).tolist())
            if table[0][name].dtype == object
            else tf.constant(np.stack([row[name] for row in table]))
            for name in table[0]
        }
        self._index = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                [user.user_id for user in users], tf.range(len(users), dtype=tf.int64)
            ),
            default_value=-1,
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=contract.EXAMPLES)])
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, {contract.USER_ID: tf.io.FixedLenFeature([], tf.string)})
        rows_of = self._index.lookup(parsed[contract.USER_ID])
        return {name: tf.gather(values, rows_of) for name, values in self._outputs.items()}


def save_model(path: Path, users: list[User], catalogue: int) -> None:
    module = _Table(users, catalogue)
    tf.saved_model.save(module, str(path), signatures={contract.EVALUATE: module.evaluate})


def write_timelines(path: Path, users: list[User]) -> None:
    """Writes one gzipped TFRecord file of timelines into the folder `path`.

    A history is one event a day before the targets: the first of the model's popular items.
    """
    path.mkdir(parents=True)

    def bytes_list(values: list[bytes]) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def floats(values: list[float]) -> tf.train.Feature:
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    def times(values: list[int]) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    with tf.io.TFRecordWriter(str(path / "data-00000-of-00001.gz"), "GZIP") as writer:
        for user in users:
            features = {
                contract.USER_ID: bytes_list([user.user_id]),
                contract.TARGET_ITEM_IDS: bytes_list(user.targets),
                contract.TARGET_RATINGS: floats(user.ratings),
                contract.TARGET_TIMESTAMPS: times([2 * DAY] * len(user.targets)),
                contract.HISTORY_ITEM_IDS: bytes_list(user.popular[:1]),
                contract.HISTORY_RATINGS: floats([4.0] * len(user.popular[:1])),
                contract.HISTORY_TIMESTAMPS: times([DAY] * len(user.popular[:1])),
                contract.SLICE_HISTORY: bytes_list([user.slice_history]),
                contract.SLICE_COLD: bytes_list([user.slice_cold]),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
