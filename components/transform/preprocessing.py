"""What the model sees of a movie: a graph over raw `movies`, fitted once on the whole catalogue.

The stock TFX Transform runs `preprocessing_fn` by its import path. The same
graph is part of the serving models, where it must work on movies that came after
training, and on fewer inputs: it reads MOVIE_ID, YEAR, GENRES, TAGS and
RATING_COUNT alone (a title says nothing by itself, and a mean of few ratings
mostly noise). Every input is known in train (see example_gen.movies).

B movies in a batch.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components import contract
from components.transform.params import TransformParams


def custom_config(params: TransformParams) -> dict[str, str]:
    """What the Transform component takes as `custom_config` to give it to `preprocessing_fn`.

    The component serializes the dict as JSON and hands it back, parsed, under the
    keyword `custom_config`; the knobs travel in it as they do to every other room.
    """
    return {contract.PARAMS: params.to_json()}


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, str]) -> dict[str, Any]:
    """Raw features of movies -> features of the movie tower.

    Args:
      inputs: contract.MOVIE_FEATURES; [B, 1] each, GENRES and TAGS sparse [B, ...].
      custom_config: of the function of that name.

    Returns:
      The contract's transformed features: [B, 1] each, the lists sparse. An index
      of a vocabulary of V entries is 0 to V - 1, and V where it holds no such
      entry. (TensorFlow Transform gives a vocabulary that would be empty a
      placeholder as its only entry, so V is at least 1.)
    """
    params = TransformParams.from_json(custom_config[contract.PARAMS])
    rating_count = tf.cast(inputs[contract.RATING_COUNT], tf.float32)
    year = tf.cast(inputs[contract.YEAR], tf.float32)
    tag_indices, tag_weights = _tags(inputs[contract.TAGS], params)
    return {
        contract.MOVIE_INDEX: tft.compute_and_apply_vocabulary(
            inputs[contract.MOVIE_ID],
            weights=rating_count,
            frequency_threshold=params.min_ratings,
            num_oov_buckets=1,
            vocab_filename=contract.MOVIE_VOCABULARY,
        ),
        contract.GENRE_INDICES: tft.compute_and_apply_vocabulary(
            inputs[contract.GENRES], num_oov_buckets=1, vocab_filename=contract.GENRE_VOCABULARY
        ),
        contract.TAG_INDICES: tag_indices,
        contract.TAG_WEIGHTS: tag_weights,
        contract.YEAR_SCALED: _scale_known(year),
        contract.YEAR_KNOWN: tf.cast(year > 0, tf.float32),
        # Rating counts span four orders of magnitude; their logarithm is close to normal.
        contract.POPULARITY_SCALED: tft.scale_to_z_score(tf.math.log1p(rating_count)),
    }


def _tags(tags: tf.SparseTensor, params: TransformParams) -> tuple[tf.SparseTensor, tf.SparseTensor]:
    """(vocabulary rows, TF-IDF weights) of each movie's known tags; unknown ones are dropped.

    The weight of a tag is 1 / (the movie's known tags) * (1 + ln((movies + 1) / (movies
    with the tag + 1))): smoothed TF-IDF (Salton and Buckley, "Term-weighting
    approaches in automatic text retrieval", 1988). It equals tft.tfidf, which cannot
    be used: it counts unknown tags as the last one and fails on a vocabulary of one.
    """
    indices = tft.compute_and_apply_vocabulary(
        tags,
        top_k=params.max_tags,
        frequency_threshold=params.min_tag_movies,
        default_value=-1,
        vocab_filename=contract.TAG_VOCABULARY,
    )
    size = tft.get_num_buckets_for_transformed_feature(indices)
    known = tft.sparse_tensor_left_align(tf.sparse.retain(indices, indices.values >= 0))
    rows, num_movies = known.indices[:, 0], known.dense_shape[0]
    ones = tf.ones_like(known.values, tf.float32)

    # 1 where a movie has a tag, [B, size]. Sparse also because its static shape is
    # unknown: while analysing, `size` is a placeholder whose default shape inference
    # would take for the truth.
    has_tag = tf.SparseTensor(tf.stack([rows, known.values], axis=1), ones, [num_movies, size])
    movies_with_tag = tf.reshape(tft.sum(has_tag, reduce_instance_dims=False), [-1])
    movies = tft.sum(tf.cast(num_movies, tf.float32))
    inverse_frequency = 1.0 + tf.math.log((movies + 1.0) / (movies_with_tag + 1.0))

    tags_of_movie = tf.math.unsorted_segment_sum(ones, rows, num_movies)
    weights = tf.gather(inverse_frequency, known.values) / tf.gather(tags_of_movie, rows)
    return known, known.with_values(weights)


def _scale_known(year: tf.Tensor) -> tf.Tensor:
    """[B, 1] z-score over the movies whose year is not 0; 0 for the others, and if all years are equal."""
    known = tf.sparse.from_dense(year)  # which leaves out the zeros
    mean, deviation = tft.mean(known), tf.sqrt(tft.var(known))
    return tf.where(year > 0, tf.math.divide_no_nan(year - mean, deviation), tf.zeros_like(year))
