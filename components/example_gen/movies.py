"""The movies with what train alone says about them. Pure functions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components import contract
from components.example_gen import features, ragged
from components.example_gen.interactions import TAG, TIMESTAMP, Interactions
from components.example_gen.timelines import Cut, Events, positions, train_mask


def records(log: Interactions, events: Events, at: Cut) -> pa.Table:
    """One row of `features.MOVIES` per movie, in the order of `events.movie_ids`."""
    count, mean = train_ratings(events, at)
    order = pc.index_in(events.movie_ids, log.movies[contract.MOVIE_ID].combine_chunks())
    movies = log.movies.take(order).combine_chunks()
    columns = {
        **{name: movies[name].combine_chunks() for name in movies.column_names},
        contract.TAGS: known_tags(log.tags, events, at),
        contract.RATING_COUNT: pa.array(count),
        contract.RATING_MEAN: pa.array(mean),
    }
    return pa.Table.from_arrays(
        [columns[field.name].cast(field.type) for field in features.MOVIES], schema=features.MOVIES
    )


def train_ratings(events: Events, at: Cut) -> tuple[np.ndarray, np.ndarray]:
    """(int64[M] number, float32[M] mean in stars, 0 if none) of each movie's train ratings."""
    in_train = train_mask(events, at)
    movies, stars = events.movies[in_train], events.ratings[in_train]
    size = len(events.movie_ids)
    count = np.bincount(movies, minlength=size)
    total = np.bincount(movies, stars, size)
    return count, (total / np.maximum(count, 1)).astype(np.float32)


def known_tags(tags: pa.Table, events: Events, at: Cut) -> pa.LargeListArray:
    """Each movie's tags as known in train: lower case, each once, sorted; [] if none.

    A tag counts only if its author's last train rating is not earlier than the
    tag: a tag written later may speak of what the author is about to rate, which
    is what the model has to predict. An author without ratings has no tags that count.
    """
    authors = positions(tags[contract.USER_ID], events.user_ids)
    rated = authors >= 0
    # Every user has a train event: the last is the one before the end of train.
    last_train = events.timestamps[at.train_end - 1][authors]
    names = pc.utf8_lower(pc.utf8_trim_whitespace(tags[TAG].combine_chunks()))
    counts = rated & (tags[TIMESTAMP].to_numpy() <= last_train) & (pc.utf8_length(names).to_numpy() > 0)

    movies = positions(tags[contract.MOVIE_ID], events.movie_ids)[counts].astype(np.int64)
    names = names.filter(pa.array(counts))
    vocabulary = names.unique()
    vocabulary = vocabulary.take(pc.sort_indices(vocabulary))
    width = max(1, len(vocabulary))
    pairs = np.unique(movies * width + pc.index_in(names, vocabulary).to_numpy())
    return ragged.from_rows(pairs // width, vocabulary.take(pa.array(pairs % width)), len(events.movie_ids))
