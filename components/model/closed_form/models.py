"""Models whose vectors are solved for, not learnt in steps: the dot product of a query and an item ranks."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy import sparse

from components.common.tensors import take
from components.model.closed_form.fold_in import FoldIn, WeightedSum
from components.model.closed_form.rating_factors import RatingFactors
from components.model.closed_form.user_items import SampledEvents
from components.model.features import Catalogue, ItemFeatures
from components.model.fit_inputs import FitInputs
from components.model.history import History
from components.model.hyperparameters import Hyperparameters
from components.model.signatures import Catalogued, Events, Signatures

# Of an item's unit vector, what its count of events can have at most where it has factors, too.
_POPULARITY = 0.6

_log = logging.getLogger(__name__)


class ItemFactors(NamedTuple):
    """What a kind is solved for.

    Attributes:
      history: float32[N, R], what an item adds to the queries of those who have an event with it.
      candidate: float32[N, R], what an item is scored by: its dot product with a query's factors.
      fold_in: how a query's factors follow from those of its history.
    """

    history: np.ndarray
    candidate: np.ndarray
    fold_in: FoldIn


# (hyperparameters, float64[U, N]: 1 where user u has an event with item i, seed) -> factors.
Solve = Callable[[Hyperparameters, sparse.csr_matrix, int], ItemFactors]


class ClosedForm(tf.Module):
    """Fixed vectors of histories and of candidates.

    A candidate's vector is [factors, popularity, rest], of length 1: `rest` fills it up (Bachrach et
    al., "Speeding Up the Xbox Recommender System Using a Euclidean Transformation for Inner-Product
    Spaces", RecSys 2014) and is 0 in every query. A query is the unit vector of its history's factors,
    in which an event counts half after `item_item_half_life` newer ones: the dot product ranks as
    the model's own score does. A query that has no such factors, because no event of it is known, is
    [0, 1, 0] and ranks by the number of train events, as popularity does for every query.

    Args:
      params: of a closed-form kind.
      catalogue: every item.
      factors: of the N items of the vocabulary.
      rating_factors: what predicts stars; None where the events have weights instead of ratings.
    """

    def __init__(
        self,
        params: Hyperparameters,
        catalogue: Catalogue,
        factors: ItemFactors,
        rating_factors: RatingFactors | None = None,
    ) -> None:
        super().__init__(name=params.kind)
        self.params, self.catalogue, self.rating_factors = params, catalogue, rating_factors
        rank = factors.history.shape[1]
        self._popularity = _POPULARITY if rank else 1.0
        self._half_life = params.item_item_half_life
        self._fold_in = factors.fold_in
        longest = max(float(np.linalg.norm(factors.candidate, axis=1).max(initial=0.0)), 1e-6)
        scale = math.sqrt(1.0 - self._popularity**2) / longest
        blank = np.zeros((1, rank), np.float32)  # the last row is out of vocabulary
        self._history = _fixed(np.concatenate([factors.history, blank]), "history_factors")
        self._candidate = _fixed(np.concatenate([factors.candidate * scale, blank]), "candidate_factors")
        self._most = max(float(catalogue.rating_count.max(initial=0.0)), 1.0)

    def query(self, history: History, item_index: tf.Tensor) -> tf.Tensor:
        """float32[B, D] of length 1.

        Args:
          history: windowed events.
          item_index: int32[B, W], the events' rows of the item vocabulary.
        """
        # No division by a constant: see ItemItem.query.
        decay = tf.pow(2.0, history.ages * (-1.0 / self._half_life))
        weights = decay * tf.cast(history.mask, tf.float32)
        return self._query_of(self._fold_in(weights, take(self._history, item_index)))

    def similar_query(self, item_index: tf.Tensor) -> tf.Tensor:
        """float32[B, D]: the query of a history of one item, int32[B], whatever its age."""
        factors = take(self._history, item_index)[:, tf.newaxis]
        return self._query_of(self._fold_in(tf.ones(tf.shape(factors)[:2]), factors))

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
    @property
    def parameters(self) -> int:
        return sum(int(np.prod(variable.shape)) for variable in self.variables)

    def embed_query(self, history: History, now: tf.Tensor, profile: tf.Tensor | None = None) -> tf.Tensor:
        """float32[B, D]; neither the time nor a profile changes anything."""
        del now, profile
        return self.query(history, tf.gather(self.catalogue.features.item_index, history.rows))

    def embed_catalogue(self) -> tf.Tensor:
        """float32[N, D]: every item's unit vector."""
        return self.candidate(self.catalogue.features.item_index, self.catalogue.rating_count)


def _fixed(values: np.ndarray, name: str) -> tf.Variable:
    return tf.Variable(values.astype(np.float32), trainable=False, name=name)


def no_factors(params: Hyperparameters, watched: sparse.csr_matrix, seed: int) -> ItemFactors:
    """Nothing to score by: every query ranks by the number of train events."""
    del params, seed
    nothing = np.zeros((watched.shape[1], 0), np.float32)
    return ItemFactors(nothing, nothing, WeightedSum())


def build(inputs: FitInputs, solve: Solve) -> ClosedForm:
    """The model of these inputs, fitted."""
    events = SampledEvents.of(inputs)
    rating_factors = None
    if not inputs.implicit:
        rating_factors = RatingFactors(events.items, inputs.params)
        rating_factors.assign(events.fit_rating_factors(inputs.params, inputs.seed))
    started = time.monotonic()
    factors = solve(inputs.params, events.watched(), inputs.seed)
    _log.info("%s of %d events solved in %.1f s", inputs.params.kind, len(events), time.monotonic() - started)
    return ClosedForm(inputs.params, inputs.catalogue, factors, rating_factors)


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
