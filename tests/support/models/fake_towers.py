"""Towers with real maths and nothing to train: what the index is tested against.

An item's vector is a row of a table (an unknown one's follows from its year), a
query the normalised mean of its history's vectors, weighted by stars and
recency, plus the vectors of the genres it likes. The vocabulary lies in an
asset file, so that re-saving has to carry one along.
"""

from __future__ import annotations

import pathlib

import numpy as np
import pyarrow as pa
import tensorflow as tf

import contract
from components.common.tensors import input_specs
from components.example_gen.records.schemas import ITEMS, TIMELINES

GENRES = ["Action", "Comedy", "Drama", "Horror"]
WINDOW = 100


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


class FakeTowers(tf.Module):
    def __init__(self, ids: list[str], vectors: np.ndarray, vocabulary: pathlib.Path) -> None:
        super().__init__()
        vocabulary.write_text("".join(f"{item}\n" for item in ids))
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(vocabulary),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            -1,
        )
        dim = vectors.shape[1]
        self.genre_table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(GENRES, tf.range(len(GENRES), dtype=tf.int64)), -1
        )
        self.vectors = tf.Variable(vectors.astype(np.float32))
        self.genre_vectors = tf.Variable(
            unit(np.random.default_rng(7).normal(size=(len(GENRES), dim))), dtype=tf.float32
        )
        self.embed_query = tf.function(self._embed_query, input_specs(contract.EMBED_QUERY), autograph=False)
        self.embed_item = tf.function(self._embed_item, input_specs(contract.EMBED_ITEM), autograph=False)
        self.rate = tf.function(self._rate, input_specs(contract.RATE), autograph=False)

    def _embed_query(
        self,
        history_item_ids,
        history_ratings,
        history_timestamps,
        user_id,
        now,
        taste_genres,
        taste_weights,
    ):
        rows = self.table.lookup(history_item_ids)
        width = tf.shape(rows)[1]
        place = tf.range(width)
        earlier = place[:, None] > place[None, :]
        repeated = tf.reduce_any((rows[:, :, None] == rows[:, None, :]) & earlier[None], axis=2)
        keep = (rows >= 0) & ~repeated
        age = tf.cumsum(tf.cast(keep, tf.float32), axis=1, reverse=True, exclusive=True)
        weight = tf.where(keep & (age < WINDOW), (1.0 + history_ratings) * 0.97**age, 0.0)
        genres = self.genre_table.lookup(taste_genres)
        liked = tf.where(genres >= 0, taste_weights, 0.0)
        query = tf.einsum("bh,bhd->bd", weight, tf.gather(self.vectors, tf.maximum(rows, 0)))
        query += tf.einsum("bt,btd->bd", liked, tf.gather(self.genre_vectors, tf.maximum(genres, 0)))
        query += 1e-3 * self.genre_vectors[:1]
        return tf.math.l2_normalize(query, axis=1)

    def _embed_item(self, item_id, year, genres, tags, rating_count):
        row = self.table.lookup(item_id)
        content = tf.math.l2_normalize(
            tf.cast(year, tf.float32)[:, None] * self.genre_vectors[:1] + self.genre_vectors[1:2], axis=1
        )
        return tf.where((row >= 0)[:, None], tf.gather(self.vectors, tf.maximum(row, 0)), content)

    def _rate(
        self,
        history_item_ids,
        history_ratings,
        history_timestamps,
        user_id,
        now,
        taste_genres,
        taste_weights,
        item_ids,
    ):
        query = self._embed_query(
            history_item_ids, history_ratings, history_timestamps, user_id, now, taste_genres, taste_weights
        )
        rows = self.table.lookup(item_ids)
        cosine = tf.einsum("bd,bmd->bm", query, tf.gather(self.vectors, tf.maximum(rows, 0)))
        return tf.where(rows >= 0, 2.75 + 2.25 * cosine, 0.0)


def make_items(count: int, seed: int = 0) -> pa.Table:
    """A catalogue with ties in popularity, missing years and missing genres."""
    rng = np.random.default_rng(seed)
    years = np.where(rng.random(count) < 0.1, 0, rng.integers(1950, 2020, count))
    genres = [[genre for genre in GENRES if rng.random() < 0.3] for _ in range(count)]
    ratings = np.sort(rng.zipf(1.5, count).clip(0, 300) - 1)[::-1]
    return pa.table(
        {
            contract.ITEM_ID: [str(10 + 3 * i) for i in range(count)],
            contract.TITLE: [f"Item {i}" for i in range(count)],
            contract.YEAR: years,
            contract.GENRES: genres,
            contract.TAGS: [[] for _ in range(count)],
            contract.RATING_COUNT: ratings,
            contract.RATING_MEAN: np.full(count, 3.5, np.float32),
        },
        ITEMS,
    )


def make_vectors(count: int, dim: int, seed: int = 0) -> np.ndarray:
    """Clustered unit vectors, as trained items are."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(2, count // 50), dim))
    return unit(centres[rng.integers(len(centres), size=count)] + 0.6 * rng.normal(size=(count, dim)))


def make_timelines(items: pa.Table, users: int, seed: int = 0) -> dict[str, pa.Table]:
    """train, eval and test as ExampleGen writes them; the last user is in train alone."""
    rng = np.random.default_rng(seed)
    ids = items[contract.ITEM_ID].to_pylist()
    popularity = 1.0 / np.arange(1, len(ids) + 1)
    rows: dict[str, list[dict]] = {split: [] for split in contract.SPLITS}
    for user in range(users):
        size = int(rng.integers(1, max(2, min(60, len(ids)))))
        picked = [ids[i] for i in rng.choice(len(ids), size, replace=False, p=popularity / popularity.sum())]
        stars = (rng.integers(1, 11, size) / 2).tolist()
        times = list(range(1000, 1000 + size))
        cut = max(1, size // 10)
        alone = user == users - 1 or size < 3
        splits = (
            {contract.TRAIN: (size, size)}
            if alone
            else {
                contract.TRAIN: (size - 2 * cut, size - 2 * cut),
                contract.EVAL: (size - 2 * cut, size - cut),
                contract.TEST: (size - cut, size),
            }
        )
        for split, (known, end) in splits.items():
            rows[split].append(
                {
                    contract.USER_ID: f"u{user}",
                    contract.HISTORY_ITEM_IDS: picked[:known],
                    contract.HISTORY_RATINGS: stars[:known],
                    contract.HISTORY_TIMESTAMPS: times[:known],
                    contract.TARGET_ITEM_IDS: picked[known:end],
                    contract.TARGET_RATINGS: stars[known:end],
                    contract.TARGET_TIMESTAMPS: times[known:end],
                    contract.SLICE_HISTORY: "",
                    contract.SLICE_COLD: "",
                }
            )
    return {split: pa.Table.from_pylist(content, TIMELINES) for split, content in rows.items()}
