"""The trained towers as a SavedModel: strings in, unit vectors and stars out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components import contract
from components.model import rating_head, user_features
from components.model.features import MovieFeatures
from components.model.history import window
from components.model.two_tower import TwoTower
from components.tensors import function_of, input_specs, take

# Raw inputs of movies by name -> features, as Transform makes them.
TransformMovies = Callable[[Mapping[str, tf.Tensor]], MovieFeatures]


def vocabulary_table(words: Sequence[bytes], default: int) -> tf.lookup.StaticHashTable:
    """word -> position, `default` for an unknown one."""
    keys = tf.constant(list(words), tf.string, shape=[len(words)])
    values = tf.range(len(words), dtype=tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)


def _buffer(values: Any, name: str) -> tf.Variable:
    """A constant of the model kept among the variables: a GraphDef may not exceed 2 GB."""
    return tf.Variable(values, trainable=False, name=name)


class Towers(tf.Module):
    """`embed_query`, `embed_movie` and `rate` over strings, as the contract lists them.

    Args:
      model: the fitted towers.
      movie_ids: catalogue ids in row order.
      genre_vocabulary: what tastes are in (genres) in the order of their indices.
      transform: Transform's graph over raw movies.
      resources: whatever `transform` needs to be tracked when saving.
      own: what `embed_movie` takes of a movie beyond the contract's inputs.
    """

    def __init__(
        self,
        model: TwoTower,
        movie_ids: Sequence[bytes],
        genre_vocabulary: Sequence[bytes],
        transform: TransformMovies,
        resources: Any,
        own: Sequence[contract.Input] = (),
    ) -> None:
        super().__init__(name="towers")
        self._resources = resources
        self._transform = transform
        self._window = model.params.history_window
        self._user_features = model.user_features
        self._calendar = model.calendar
        self._item_item = model.item_item
        self._embed_features = model.embed_movies
        self._parts = (
            model.encoder,
            model.candidate_tower,
            model.query_tower,
            model.rating_head,
            model.standardise,
            *(part for part in (model.item_item, model.rating_factors) if part is not None),
        )
        self._rating_factors = model.rating_factors
        self._rating_window = model.params.rating_window
        self._factors_share = model.params.rating_factors_share
        self._query_tower, self._rating_head = model.query_tower, model.rating_head
        self._profile_tower = model.profile_tower
        if model.profiles is not None:
            # A user who is not in the table has the row of nothing, 0.
            self._profile_rows = vocabulary_table([b"", *model.profiles.user_ids], 0)
            self._profiles = {name: _buffer(values, name) for name, values in model.profiles.content.items()}
        self._rows = vocabulary_table(movie_ids, -1)
        self._num_genres = model.catalogue.genres.shape[1]
        self._genre_rows = vocabulary_table(genre_vocabulary, self._num_genres - 1)
        self._movie_index = _buffer(model.catalogue.features.movie_index, "movie_index")
        self._encoded = _buffer(model.encode_catalogue(), "encoded_movies")
        count = model.catalogue.rating_count
        self._genres = _buffer(model.catalogue.genres, "movie_genres")
        if model.rating_head is not None:
            bias = model.rating_head.movie_bias(count, model.catalogue.rating_sum)
            self._bias = _buffer(bias, "movie_bias")
            self._log_count = _buffer(np.log1p(count), "movie_log_count")
        # AutoGraph is not needed (there is no Python control flow over tensors)
        # and would convert all of Keras.
        self.embed_query = tf.function(
            self._embed_query, input_signature=input_specs(contract.EMBED_QUERY), autograph=False
        )
        self.embed_movie = function_of(
            (*contract.SIGNATURES[contract.EMBED_MOVIE].inputs, *own), self._embed_movie
        )
        self.rate = tf.function(self._rate, input_signature=input_specs(contract.RATE), autograph=False)

    def save(self, path: str) -> None:
        """Write the SavedModel; its signatures name their outputs as the contract does."""
        tf.saved_model.save(
            self,
            path,
            signatures={
                contract.EMBED_QUERY: _named(self.embed_query, contract.EMBEDDING),
                contract.EMBED_MOVIE: _named(self.embed_movie, contract.EMBEDDING),
                contract.RATE: _named(self.rate, contract.RATINGS),
            },
        )

    def _events(
        self, movie_ids: tf.Tensor, ratings: tf.Tensor, timestamps: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        rows = tf.cast(self._rows.lookup(movie_ids), tf.int32)
        # The empty string pads and is no movie's id: the table does not know it either.
        return tf.maximum(rows, 0), ratings, timestamps, rows >= 0

    def _taste(self, genres: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """float32[B, G]: given tastes, magnitudes scaled to sum to 1; unknown genres are ignored."""
        index = tf.cast(self._genre_rows.lookup(_without_repeats(genres)), tf.int32)
        known = index < self._num_genres - 1
        weights = tf.where(known, weights, 0.0)
        taste = tf.einsum("bt,btg->bg", weights, tf.one_hot(index, self._num_genres))
        return tf.math.divide_no_nan(taste, tf.reduce_sum(tf.abs(taste), axis=1, keepdims=True))

    def _query(
        self, movie_ids: tf.Tensor, ratings: tf.Tensor, timestamps: tf.Tensor, now: tf.Tensor,
        taste_genres: tf.Tensor, taste_weights: tf.Tensor, user_id: tf.Tensor,
    ) -> tf.Tensor:  # fmt: skip
        history = window(*self._events(movie_ids, ratings, timestamps), self._window)
        features = self._user_features(history, now)
        taste = self._taste(taste_genres, taste_weights)
        encoded = take(self._encoded, history.rows)
        shown = user_features.genre_taste(history, self._genres.read_value())
        tower = self._query_tower(history, encoded, features, self._calendar(history, now), shown, taste)
        if self._profile_tower is not None:
            rows = self._profile_rows.lookup(user_id)
            content = {name: take(values, rows) for name, values in self._profiles.items()}
            tower = self._profile_tower(tower, content)
        if self._item_item is None:
            return tower
        return self._item_item.query(tower, history, take(self._movie_index, history.rows))

    def _embed_query(
        self, history_movie_ids: tf.Tensor, history_ratings: tf.Tensor, history_timestamps: tf.Tensor,
        user_id: tf.Tensor, now: tf.Tensor, taste_genres: tf.Tensor, taste_weights: tf.Tensor,
    ) -> tf.Tensor:  # fmt: skip
        """float32[B, D + R]. Of `user_id` the profile is looked up: there is no user embedding."""
        return self._query(
            history_movie_ids, history_ratings, history_timestamps, now, taste_genres, taste_weights, user_id
        )

    def _embed_movie(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """float32[B, D + R] unit vectors from content; a learnt id adds its own rows."""
        features = self._transform(
            {name: _without_repeats(x) if x.shape.rank == 2 else x for name, x in inputs.items()}
        )
        return self._embed_features(features)

    def _rate(
        self, history_movie_ids: tf.Tensor, history_ratings: tf.Tensor, history_timestamps: tf.Tensor,
        user_id: tf.Tensor, now: tf.Tensor, taste_genres: tf.Tensor, taste_weights: tf.Tensor,
        movie_ids: tf.Tensor,
    ) -> tf.Tensor:  # fmt: skip
        """float32[B, M] stars within the scale; 0 for a pad, an unknown movie, or without a rating head."""
        del user_id, taste_genres, taste_weights
        if self._rating_head is None:
            return tf.zeros(tf.shape(movie_ids))
        events = self._events(history_movie_ids, history_ratings, history_timestamps)
        history = window(*events, self._window)
        features = self._user_features(history, now)
        history_bias = take(self._bias, history.rows)
        user_bias = self._rating_head.user_bias(history, history_bias)
        residuals = self._rating_head.residuals(history, history_bias, user_bias)
        looked_up = tf.cast(self._rows.lookup(movie_ids), tf.int32)
        rows = tf.maximum(looked_up, 0)
        stars = self._rating_head(
            take(self._encoded, rows),
            take(self._encoded, history.rows),
            residuals,
            history.mask,
            user_bias,
            take(self._bias, rows),
            take(self._log_count, rows),
            features,
        )
        if self._rating_factors is not None:
            longer = window(*events, self._rating_window, at_most=True)
            index = self._movie_index
            by_factors = self._rating_factors(longer, take(index, longer.rows), take(index, rows))
            stars += self._factors_share * (by_factors - stars)
        return tf.where(looked_up >= 0, rating_head.clip_stars(stars), 0.0)


def _without_repeats(words: tf.Tensor) -> tf.Tensor:
    """string[B, L] with every repetition within a row replaced by "".

    TensorFlow Serving pads a short row by repeating its first element.
    """
    width = tf.shape(words)[1]
    earlier = tf.range(width)[tf.newaxis, :] < tf.range(width)[:, tf.newaxis]
    repeated = tf.reduce_any((words[:, :, tf.newaxis] == words[:, tf.newaxis, :]) & earlier, axis=2)
    return tf.where(repeated, contract.PAD_ID, words)


def _named(function: Any, output: str) -> Any:
    """The same function with its result under the contract's name."""
    signature = function.input_signature
    names = [spec.name for spec in signature]

    def call(*args: tf.Tensor) -> dict[str, tf.Tensor]:
        return {output: function(**dict(zip(names, args, strict=True)))}

    return tf.function(call, input_signature=signature, autograph=False)
