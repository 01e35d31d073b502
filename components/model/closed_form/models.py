"""Popularity, item-kNN and EASE as vectors whose dot product ranks: solved for, not learnt in steps."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from scipy import sparse

from components.common.tensors import take
from components.model.closed_form import item_item, neighbours
from components.model.closed_form.rating_factors import RatingFactors
from components.model.features import ItemFeatures
from components.model.history import History
from components.model.params import ModelParams
from components.model.signatures import Catalogued, Events, Signatures
from components.model.towers.two_tower import Catalogue

# Of an item's unit vector, what its count of events can have at most where it has factors, too.
_POPULARITY = 0.6


class ClosedForm(tf.Module):
    """Fixed vectors of histories and of candidates.

    A candidate's vector is [factors, popularity, rest], of length 1: `rest` fills it up (Bachrach et
    al., "Speeding Up the Xbox Recommender System Using a Euclidean Transformation for Inner-Product
    Spaces", RecSys 2014) and is 0 in every query. A query is the unit vector of its history's factors,
    in which an event counts half after `item_item_half_life` newer ones: the dot product ranks as
    the model's own score does. A query that has no such factors, because nothing is known of anybody, is
    [0, 1, 0] and ranks by the number of train events, as popularity does for everybody.

    Args:
      params: of a closed-form kind.
      items: words of the item vocabulary.
      catalogue: every item.
      implicit: the events have weights instead of ratings: no stars are predicted.
    """

    def __init__(self, params: ModelParams, items: int, catalogue: Catalogue, implicit: bool = False):
        super().__init__(name=params.kind)
        self.params, self.catalogue = params, catalogue
        self.rating_factors = None if implicit else RatingFactors(items, params)
        rank = 0 if params.kind == "popularity" else params.item_item_dim
        self._popularity = _POPULARITY if rank else 1.0
        self._longest = math.sqrt(1.0 - self._popularity**2)
        self._half_life = params.item_item_half_life
        shape = [items + 1, rank]  # the last row is out of vocabulary
        self._history = tf.Variable(tf.zeros(shape), trainable=False, name="history_factors")
        self._candidate = tf.Variable(tf.zeros(shape), trainable=False, name="candidate_factors")
        self._most = max(float(catalogue.rating_count.max(initial=0.0)), 1.0)

    def fit(self, watched: sparse.csr_matrix) -> None:
        """Solve for the factors.

        Args:
          watched: float[U, items], 1 where a user has an event with an item of the vocabulary.
        """
        params = self.params
        if params.kind == "popularity":
            return
        if params.kind == "ease":
            history, candidate, _ = item_item.fit_factors(watched, params.item_item_dim, params.item_item_l2)
        else:
            history, candidate = neighbours.fit_factors(
                watched, params.item_item_dim, params.knn_shrink, params.knn_neighbours
            )
        blank = np.zeros((1, params.item_item_dim), np.float32)
        scale = self._longest / max(float(np.linalg.norm(candidate, axis=1).max(initial=0.0)), 1e-6)
        self._history.assign(np.concatenate([history, blank]))
        self._candidate.assign(np.concatenate([candidate * scale, blank]))

    def query(self, history: History, item_index: tf.Tensor) -> tf.Tensor:
        """float32[B, D] of length 1.

        Args:
          history: windowed events.
          item_index: int32[B, W], the events' rows of the item vocabulary.
        """
        # No division by a constant: see ItemItem.query.
        decay = tf.pow(2.0, history.ages * (-1.0 / self._half_life))
        weights = decay * tf.cast(history.mask, tf.float32)
        return self._query_of(tf.einsum("bw,bwr->br", weights, take(self._history, item_index)))

    def similar_query(self, item_index: tf.Tensor) -> tf.Tensor:
        """float32[B, D]: the query of a history of one item, int32[B], whatever its age."""
        return self._query_of(take(self._history, item_index))

    def _query_of(self, factors: tf.Tensor) -> tf.Tensor:
        nothing = tf.reduce_all(factors == 0.0, axis=1, keepdims=True)
        return tf.concat(
            [
                tf.math.l2_normalize(factors, axis=1),
                tf.cast(nothing, tf.float32),
                tf.zeros_like(nothing, tf.float32),
            ],
            axis=1,
        )

    def candidate(self, item_index: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """float32[n, D] of length 1 of items, int32[n], with their numbers of train events, [n]."""
        factors = take(self._candidate, item_index)
        count = tf.cast(count, tf.float32)[:, tf.newaxis]
        # Half for the most watched one: new items may come to be watched more.
        popularity = self._popularity * count / (count + self._most)
        known = tf.concat([factors, popularity], axis=1)
        rest = tf.maximum(1.0 - tf.reduce_sum(tf.square(known), axis=1, keepdims=True), 0.0)
        return tf.concat([known, tf.sqrt(rest)], axis=1)

    # --- as the trainer asks any model ---------------------------------------------
    def embed_query(self, history: History, now: tf.Tensor, profile: tf.Tensor | None = None) -> tf.Tensor:
        """float32[B, D]; neither the time nor a profile changes anything."""
        del now, profile
        return self.query(history, tf.gather(self.catalogue.features.item_index, history.rows))

    def embed_catalogue(self) -> tf.Tensor:
        """float32[N, D]: every item's unit vector."""
        return self.candidate(self.catalogue.features.item_index, self.catalogue.rating_count)


class SolvedVectors(Signatures):
    """A model in closed form as a SavedModel.

    Beside the contract's functions it has contract.SIMILAR_QUERY: a candidate's own vector, of which
    most may be what fills it up, is no query for items like it.

    Args:
      model: fitted.
      named: what requests name things by.
    """

    def __init__(self, model: ClosedForm, named: Catalogued) -> None:
        catalogue = model.catalogue
        super().__init__("closed_form", named, catalogue, rates=model.rating_factors is not None)
        self._model = model
        self.similar_query = tf.function(
            self._similar_query,
            input_signature=[tf.TensorSpec([None], tf.string, "item_id")],
            autograph=False,
        )

    def _query(self, events: Events, now: tf.Tensor, taste: tf.Tensor, user_id: tf.Tensor) -> tf.Tensor:
        """float32[B, D] of the history alone."""
        del now, taste, user_id
        history = events.window(self._model.params.history_window)
        return self._model.query(history, take(self._item_index, history.rows))

    def _item(self, features: ItemFeatures, count: tf.Tensor) -> tf.Tensor:
        return self._model.candidate(features.item_index, count)

    def _stars(self, events: Events, now: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        del now
        factors = self._model.rating_factors
        assert factors is not None
        history = events.window(self._model.params.rating_window, at_most=True)
        index = self._item_index
        return factors(history, take(index, history.rows), take(index, rows))

    def _similar_query(self, item_id: tf.Tensor) -> tf.Tensor:
        row = tf.cast(self._rows.lookup(item_id), tf.int32)
        return self._model.similar_query(take(self._item_index, tf.maximum(row, 0)))
