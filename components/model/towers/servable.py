"""The two towers as a SavedModel: strings in, unit vectors and stars out."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from components.common.tensors import take
from components.model import user_features
from components.model.features import ItemFeatures
from components.model.signatures import Catalogued, Events, Signatures, buffer, vocabulary_table
from components.model.towers.two_tower import TwoTower


class Towers(Signatures):
    """The fitted towers, and their tables of the catalogue.

    Args:
      model: fitted.
      named: what requests name things by.
    """

    def __init__(self, model: TwoTower, named: Catalogued) -> None:
        catalogue = model.catalogue
        super().__init__("towers", named, catalogue, rates=model.rating_head is not None)
        self._window = model.params.history_window
        self._user_features = model.user_features
        self._calendar = model.calendar
        self._item_item = model.item_item
        self._embed_features = model.embed_items
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
            self._profiles = {name: buffer(values, name) for name, values in model.profiles.content.items()}
        self._encoded = buffer(model.encode_catalogue(), "encoded_items")
        self._genres = buffer(catalogue.genres, "item_genres")
        if model.rating_head is not None:
            count = catalogue.rating_count
            bias = model.rating_head.item_bias(count, catalogue.rating_sum)
            self._bias = buffer(bias, "item_bias")
            self._log_count = buffer(np.log1p(count), "item_log_count")

    def _query(self, events: Events, now: tf.Tensor, taste: tf.Tensor, user_id: tf.Tensor) -> tf.Tensor:
        """float32[B, D + R]."""
        history = events.window(self._window)
        features = self._user_features(history, now)
        encoded = take(self._encoded, history.rows)
        shown = user_features.genre_taste(history, self._genres.read_value())
        tower = self._query_tower(history, encoded, features, self._calendar(history, now), shown, taste)
        if self._profile_tower is not None:
            rows = self._profile_rows.lookup(user_id)
            content = {name: take(values, rows) for name, values in self._profiles.items()}
            tower = self._profile_tower(tower, content)
        if self._item_item is None:
            return tower
        return self._item_item.query(tower, history, take(self._item_index, history.rows))

    def _item(self, features: ItemFeatures, count: tf.Tensor) -> tf.Tensor:
        """float32[n, D + R]; the count is among the features."""
        del count
        return self._embed_features(features)

    def _stars(self, events: Events, now: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        history = events.window(self._window)
        features = self._user_features(history, now)
        history_bias = take(self._bias, history.rows)
        head = self._rating_head
        assert head is not None
        user_bias = head.user_bias(history, history_bias)
        residuals = head.residuals(history, history_bias, user_bias)
        stars = head(
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
            longer = events.window(self._rating_window, at_most=True)
            index = self._item_index
            by_factors = self._rating_factors(longer, take(index, longer.rows), take(index, rows))
            stars += self._factors_share * (by_factors - stars)
        return stars
