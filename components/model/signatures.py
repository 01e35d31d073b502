"""What every model answers as a SavedModel, whatever it is: strings in, vectors and stars out."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

import contract
from components.common.tensors import function_of, input_specs
from components.model.features import Catalogue, ItemFeatures
from components.model.history import History, window
from components.model.towers.rating_head import clip_stars

# Raw inputs of items by name -> features, as Transform makes them.
TransformItems = Callable[[Mapping[str, tf.Tensor]], ItemFeatures]


def vocabulary_table(words: Sequence[bytes], default: int) -> tf.lookup.StaticHashTable:
    """word -> position, `default` for an unknown one."""
    keys = tf.constant(list(words), tf.string, shape=[len(words)])
    values = tf.range(len(words), dtype=tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)


def buffer(values: Any, name: str) -> tf.Variable:
    """A constant of the model kept among the variables: a GraphDef may not exceed 2 GB."""
    return tf.Variable(values, trainable=False, name=name)


class Events(NamedTuple):
    """Histories with their items looked up, each [B, H]: rows, ratings, timestamps, whether it is known."""

    rows: tf.Tensor
    ratings: tf.Tensor
    timestamps: tf.Tensor
    known: tf.Tensor

    def window(self, size: int, *, at_most: bool = False) -> History:
        return window(*self, size, at_most=at_most)


class Catalogued(NamedTuple):
    """What requests name things by.

    Attributes:
      item_ids: catalogue ids in row order.
      tastes: what tastes are in (genres) in the order of their indices.
      transform: Transform's graph over raw items.
      resources: whatever `transform` needs to be tracked when saving.
      own: what `embed_item` takes of an item beyond the contract's inputs.
    """

    item_ids: Sequence[bytes]
    tastes: Sequence[bytes]
    transform: TransformItems
    resources: Any
    own: Sequence[contract.Input] = ()


class Signatures(tf.Module):
    """`embed_query`, `embed_item` and `rate` over strings, as the contract lists them.

    A subclass says what a query, an item and stars are.

    Args:
      named: see there.
      catalogue: what the model was fitted with; the last column of its tastes is for unknown ones.
      rates: whether it predicts stars; `rate` answers 0 if not.
    """

    def __init__(self, name: str, named: Catalogued, catalogue: Catalogue, rates: bool) -> None:
        super().__init__(name=name)
        tastes = catalogue.genres.shape[1]
        self._resources = named.resources
        self._transform = named.transform
        self._rates = rates
        self._rows = vocabulary_table(named.item_ids, -1)
        self._num_tastes = tastes
        self._taste_rows = vocabulary_table(named.tastes, tastes - 1)
        self._item_index = buffer(catalogue.features.item_index, "item_index")
        # AutoGraph is not needed (there is no Python control flow over tensors)
        # and would convert all of Keras.
        self.embed_query = tf.function(
            self._embed_query, input_signature=input_specs(contract.EMBED_QUERY), autograph=False
        )
        self.embed_item = function_of(
            (*contract.SIGNATURES[contract.EMBED_ITEM].inputs, *named.own), self._embed_item
        )
        self.rate = tf.function(self._rate, input_signature=input_specs(contract.RATE), autograph=False)

    # --- what a subclass says ----------------------------------------------------
    @abc.abstractmethod
    def _query(self, events: Events, now: tf.Tensor, taste: tf.Tensor, user_id: tf.Tensor) -> tf.Tensor:
        """float32[B, D]. `taste`: float32[B, G], see `_taste`."""

    @abc.abstractmethod
    def _item(self, features: ItemFeatures, count: tf.Tensor) -> tf.Tensor:
        """float32[n, D] of length 1. `count`: int64[n], ratings in train."""

    @abc.abstractmethod
    def _stars(self, events: Events, now: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """float32[B, M] stars, not clipped, of catalogue rows, int32[B, M]."""

    # --- what they share ---------------------------------------------------------
    def save(self, path: str) -> None:
        """Write the SavedModel; its signatures name their outputs as the contract does."""
        tf.saved_model.save(
            self,
            path,
            signatures={
                contract.EMBED_QUERY: _named(self.embed_query, contract.EMBEDDING),
                contract.EMBED_ITEM: _named(self.embed_item, contract.EMBEDDING),
                contract.RATE: _named(self.rate, contract.RATINGS),
            },
        )

    def _events(self, item_ids: tf.Tensor, ratings: tf.Tensor, timestamps: tf.Tensor) -> Events:
        rows = tf.cast(self._rows.lookup(item_ids), tf.int32)
        # The empty string pads and is no item's id: the table does not know it either.
        return Events(tf.maximum(rows, 0), ratings, timestamps, rows >= 0)

    def _taste(self, names: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """float32[B, G]: given tastes, magnitudes scaled to sum to 1; unknown ones are ignored."""
        index = tf.cast(self._taste_rows.lookup(_without_repeats(names)), tf.int32)
        known = index < self._num_tastes - 1
        weights = tf.where(known, weights, 0.0)
        taste = tf.einsum("bt,btg->bg", weights, tf.one_hot(index, self._num_tastes))
        return tf.math.divide_no_nan(taste, tf.reduce_sum(tf.abs(taste), axis=1, keepdims=True))

    def _embed_query(
        self, history_item_ids: tf.Tensor, history_ratings: tf.Tensor, history_timestamps: tf.Tensor,
        user_id: tf.Tensor, now: tf.Tensor, taste_genres: tf.Tensor, taste_weights: tf.Tensor,
    ) -> tf.Tensor:  # fmt: skip
        """float32[B, D]. Of `user_id` the profile is looked up: there is no user embedding."""
        events = self._events(history_item_ids, history_ratings, history_timestamps)
        return self._query(events, now, self._taste(taste_genres, taste_weights), user_id)

    def _embed_item(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """float32[B, D] unit vectors from content; a learnt id adds its own rows."""
        features = self._transform(
            {name: _without_repeats(x) if x.shape.rank == 2 else x for name, x in inputs.items()}
        )
        return self._item(features, inputs[contract.RATING_COUNT])

    def _rate(
        self, history_item_ids: tf.Tensor, history_ratings: tf.Tensor, history_timestamps: tf.Tensor,
        user_id: tf.Tensor, now: tf.Tensor, taste_genres: tf.Tensor, taste_weights: tf.Tensor,
        item_ids: tf.Tensor,
    ) -> tf.Tensor:  # fmt: skip
        """float32[B, M] stars within the scale; 0 for a pad or an unknown item, or if nothing rates."""
        del user_id, taste_genres, taste_weights
        if not self._rates:
            return tf.zeros(tf.shape(item_ids))
        events = self._events(history_item_ids, history_ratings, history_timestamps)
        looked_up = tf.cast(self._rows.lookup(item_ids), tf.int32)
        stars = self._stars(events, now, tf.maximum(looked_up, 0))
        return tf.where(looked_up >= 0, clip_stars(stars), 0.0)


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
