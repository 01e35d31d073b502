"""The two-tower over content alone that a well-known course teaches, fitted to the ratings."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tf_keras as keras

import contract
from components.common.tensors import take
from components.model.batches import Pairs
from components.model.features import Catalogue, ItemFeatures
from components.model.fit_inputs import FitInputs
from components.model.history import History
from components.model.hyperparameters import Hyperparameters
from components.model.signatures import Catalogued, Events, Signatures, buffer
from components.model.towers import replicas
from components.model.towers.encoders import Sizes
from components.model.user_features import scale_rating

_WIDTHS = (256, 128, 32)
# Prefixes on which the user features are standardised.
_ADAPT_SAMPLE = 65_536
_MIDDLE = (contract.MAX_RATING + contract.MIN_RATING) / 2


def tower(name: str, dropout: float) -> keras.Sequential:
    """Dense 256-128-32, of length 1."""
    layers: list[keras.layers.Layer] = []
    for i, width in enumerate(_WIDTHS[:-1]):
        layers += [
            keras.layers.Dense(width, "relu", name=f"{name}_hidden_{i}"),
            keras.layers.Dropout(dropout),
        ]
    layers += [keras.layers.Dense(_WIDTHS[-1], name=f"{name}_out"), keras.layers.UnitNormalization(axis=1)]
    return keras.Sequential(layers, name=name)


def user_features(
    count: tf.Tensor, total: tf.Tensor, length: tf.Tensor, stars: tf.Tensor, otherwise: float
) -> tf.Tensor:
    """float32[B, 2 G + 2]: mean stars and log count by genre and overall.

    Args:
      count, total: float32[B, G], events with each genre and the sum of their stars; of a genre
        without events the mean is the person's own.
      length, stars: float32[B], events and the sum of their stars.
      otherwise: mean stars of a user without events.
    """
    mean = tf.where(length > 0, tf.math.divide_no_nan(stars, length), otherwise)[:, tf.newaxis]
    by_genre = tf.where(count > 0, tf.math.divide_no_nan(total, count), mean)
    return tf.concat([by_genre, tf.math.log1p(count), mean, tf.math.log1p(length)[:, tf.newaxis]], axis=1)


def stars_of(dots: tf.Tensor) -> tf.Tensor:
    """Of dot products in [-1, 1], as `scale_rating` takes stars to them."""
    return _MIDDLE + (contract.MAX_RATING - _MIDDLE) * dots


class ContentTwoTower(keras.Model):
    """A user by mean stars and counts by genre, an item by its genres and numbers (its year).

    The dot product of the two unit vectors is fitted to the next event's stars, scaled to
    [-1, 1], by squared error, and ranks. A new person and a new item are as good as any.

    Args:
      params: of this kind.
      sizes: of the vocabularies; the features.
      catalogue: every item.
      global_mean: mean of the train ratings, stars.

    Raises:
      ValueError: the data set says nothing of items that this model reads.
    """

    by_sequence = False
    inputs_by_word: tuple[str, ...] = ("tastes",)

    def __init__(
        self, params: Hyperparameters, sizes: Sizes, catalogue: Catalogue, global_mean: float
    ) -> None:
        super().__init__()
        self.params, self.catalogue = params, catalogue
        self._taste = next((spec.name for spec in sizes.features if spec.taste), None)
        self._numbers = tuple(spec.name for spec in sizes.features if spec.kind == "number")
        if self._taste is None and not self._numbers:
            raise ValueError(
                f"model.kind = {params.kind}: reads the items' numbers and the feature that tastes are in, "
                "and example_gen.item_features has neither; choose another kind"
            )
        self._global_mean = global_mean
        self.user_tower, self.item_tower = tower("user", params.dropout), tower("item", params.dropout)
        self.standardise = keras.layers.Normalization(name="user_features")
        self._features = catalogue.features.map(tf.constant)
        self._genres = tf.constant(catalogue.genres)

    def read_user(self, history: History, genres: tf.Tensor, taste: tf.Tensor) -> tf.Tensor:
        """float32[B, 2 G + 2], before it is standardised.

        Args:
          history: windowed events.
          genres: float32[B, W, G] of the events' items, multi-hot.
          taste: float32[B, G]: what a person says of themselves counts as one event with each genre
            named, the strongest as one of 5 stars, or of 0.5 if disliked; all 0 when nothing.
        """
        present = tf.cast(history.mask, tf.float32)
        named = tf.cast(taste != 0.0, tf.float32)
        strongest = tf.reduce_max(tf.abs(taste), axis=1, keepdims=True)
        of_named = named * stars_of(tf.math.divide_no_nan(taste, strongest))
        stars = history.ratings * present
        return user_features(
            tf.einsum("bw,bwg->bg", present, genres) + named,
            tf.einsum("bw,bwg->bg", stars, genres) + of_named,
            tf.reduce_sum(present, axis=1) + tf.reduce_sum(named, axis=1),
            tf.reduce_sum(stars, axis=1) + tf.reduce_sum(of_named, axis=1),
            self._global_mean,
        )

    def query(
        self, history: History, genres: tf.Tensor, taste: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """float32[B, D] of length 1; arguments as `read_user`."""
        return self.user_tower(self.standardise(self.read_user(history, genres, taste)), training=training)

    def embed_items(self, items: ItemFeatures, training: bool = False) -> tf.Tensor:
        """float32[n, D] of length 1."""
        parts = [
            items.content[name(number)][:, tf.newaxis]
            for number in self._numbers
            for name in (contract.scaled, contract.known)
        ]
        if self._taste is not None:
            # -1 pads; a value out of the vocabulary has the last column.
            hot = tf.one_hot(items.content[contract.indices(self._taste)], self.catalogue.genres.shape[1])
            parts.append(tf.reduce_max(hot, axis=1))
        return self.item_tower(tf.concat(parts, axis=1), training=training)

    def adapt(self, pairs: Pairs) -> None:
        """Standardise the user features on these."""
        genres = tf.gather(self._genres, pairs.rows)
        self.standardise.adapt(
            self.read_user(pairs.history, genres, self.no_taste(tf.shape(pairs.target)[0]))
        )

    def no_taste(self, batch: tf.Tensor) -> tf.Tensor:
        return tf.zeros([batch, self.catalogue.genres.shape[1]])

    # --- as the trainer asks any model -------------------------------------------
    def embed_query(self, history: History, now: tf.Tensor, profile: tf.Tensor | None = None) -> tf.Tensor:
        """float32[B, D]; neither the time nor a profile changes anything."""
        del profile
        return self.query(history, tf.gather(self._genres, history.rows), self.no_taste(tf.shape(now)[0]))

    def embed_catalogue(self) -> tf.Tensor:
        """float32[N, D]: every item's unit vector."""
        return self.embed_items(self._features)

    @property
    def parameters(self) -> int:
        return sum(int(np.prod(variable.shape)) for variable in self.trainable_variables)

    def step_losses(self, pairs: Pairs, training: bool) -> dict[str, tf.Tensor]:
        """The squared error of scaled stars, by its name; on a replica, its part."""
        taste = self.no_taste(tf.shape(pairs.target)[0])
        queries = self.query(pairs.history, tf.gather(self._genres, pairs.rows), taste, training=training)
        items = self.embed_items(self._features.gather(pairs.target), training=training)
        dots = tf.reduce_sum(queries * items, axis=1)
        return {"rating": replicas.mean(tf.square(dots - scale_rating(pairs.target_rating)))}

    def total_loss(self, losses: dict[str, tf.Tensor]) -> tf.Tensor:
        return losses["rating"]


def build(inputs: FitInputs) -> ContentTwoTower:
    """A fresh model with every weight created and the user features standardised."""
    pairs = inputs.sample_pairs(_ADAPT_SAMPLE)
    mean = float(inputs.train.ratings.mean())
    model = ContentTwoTower(inputs.params, inputs.sizes, inputs.catalogue, mean)
    model.adapt(pairs)
    model.step_losses(inputs.sample_pairs(2), training=False)
    return model


class ContentSignatures(Signatures):
    """The fitted model as a SavedModel.

    Args:
      model: fitted.
      named: what requests name things by.
    """

    def __init__(self, model: ContentTwoTower, named: Catalogued) -> None:
        catalogue = model.catalogue
        super().__init__("content_towers", named, catalogue, rates=True)
        self._parts = (model.user_tower, model.item_tower, model.standardise)
        self._window = model.params.history_window
        self._embed_user, self._embed_features = model.query, model.embed_items
        self._genres = buffer(catalogue.genres, "item_genres")
        self._vectors = buffer(np.asarray(model.embed_catalogue()), "item_vectors")

    def _query(self, events: Events, now: tf.Tensor, taste: tf.Tensor, user_id: tf.Tensor) -> tf.Tensor:
        """float32[B, D]; with tastes beside or in place of a history."""
        del now, user_id
        history = events.window(self._window)
        return self._embed_user(history, take(self._genres, history.rows), taste)

    def _item(self, features: ItemFeatures, count: tf.Tensor) -> tf.Tensor:
        del count
        return self._embed_features(features)

    def _stars(self, events: Events, now: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        del now
        history = events.window(self._window)
        none = tf.zeros([tf.shape(history.rows)[0], self._genres.shape[1]])
        user = self._embed_user(history, take(self._genres, history.rows), none)
        return stars_of(tf.einsum("bd,bmd->bm", user, take(self._vectors, rows)))
