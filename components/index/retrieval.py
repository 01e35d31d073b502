"""Every signature of a retrieval model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

import contract
from components.common.features import Features
from components.common.features import inputs as own_inputs
from components.common.tensors import apart, function_of, neutral, specs_of, take
from components.index.carried.catalogue import Catalogue
from components.index.conditions import attributes
from components.index.conditions.caps import Caps
from components.index.conditions.conditions import Conditions
from components.index.conditions.limits import Limits
from components.index.details import Details
from components.index.explain import leave_one_out
from components.index.params import IndexParams
from components.index.ranking import Queries, Ranking, Wishes
from components.index.search.candidates import NOTHING, Candidates, Seen
from components.index.search.listed import ListedSearch
from components.index.search.popular import PopularList
from components.index.search.selective import Search, SelectiveSearch
from components.index.users import timelines
from components.index.users.known_users import KnownUsers

Tensors = Mapping[str, tf.Tensor]

_MOVIELENS = Features()
_HISTORY = contract.SIGNATURES[contract.SERVING_DEFAULT].inputs
_QUERY_INPUTS = tuple(item.name for item in contract.SIGNATURES[contract.EMBED_QUERY].inputs)

_FILTERS = (contract.WHERE, contract.FILTER_GENRES, contract.YEAR_MIN, contract.YEAR_MAX)
_WISHES = (
    contract.CANDIDATES,
    contract.BOOST_ITEM_IDS,
    contract.BOOSTS,
    contract.AT_MOST,
    contract.DIVERSITY,
)
_SPECIAL = tuple(
    item
    for item in contract.SIGNATURES[contract.RECOMMEND].inputs
    # Boosts without their items are none.
    if item.name in (*_FILTERS, *_WISHES) and item.name != contract.BOOSTS
)


class Retrieval(tf.Module):
    """Towers, catalogue and search behind the signatures of the contract.

    A public method answers the signature of its name: it takes the signature's
    inputs as a mapping, already checked, and returns its outputs. `functions`
    makes them into what a SavedModel holds.

    Args:
      towers: a loaded SavedModel with contract.TOWER_FUNCTIONS.
      catalogue: N items.
      embeddings: float32[N, D] in the catalogue's order.
      conditions: the catalogue's columns.
      search: for everything but `recommend_exact`.
      exact: exact search.
      users: histories known at training, or None: then every user is unknown.
      details: the catalogue's cells.
      params: limits and pools.
      features: what the catalogue's columns mean.
    """

    def __init__(
        self,
        towers: Any,
        catalogue: Catalogue,
        embeddings: tf.Variable,
        conditions: Conditions,
        search: Search,
        exact: Search,
        users: KnownUsers | None,
        details: Details,
        params: IndexParams,
        features: Features = _MOVIELENS,
    ) -> None:
        super().__init__(name="retrieval")
        self._signatures = contract.signatures(features.implicit)
        self._implicit = features.implicit
        self._own_inputs = own_inputs(features.item)
        self._has_user_columns = bool(features.user)
        self._towers = towers
        self._embeddings = embeddings
        self._conditions = conditions
        self._users = users
        self._details = details
        self._params = params
        self._ids = tf.Variable(tf.constant(catalogue.ids, tf.string), trainable=False, name="item_ids")
        self._shares = tf.Variable(catalogue.shares.astype(np.float32), trainable=False, name="shares")
        self._cold = tf.Variable(catalogue.rating_counts == 0, trainable=False, name="cold")
        self._rows = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(catalogue.ids, tf.string), tf.range(len(catalogue), dtype=tf.int32)
            ),
            default_value=-1,
        )
        self._popular = PopularList(self._shares, conditions, params.block_scores)
        listed = ListedSearch(embeddings, self._shares, conditions)
        self._exact = SelectiveSearch(exact, listed, conditions, len(catalogue))
        self._search = (
            self._exact if search is exact else SelectiveSearch(search, listed, conditions, len(catalogue))
        )
        self._ranking = Ranking(
            self._search,
            self._exact,
            self._popular,
            listed,
            Caps(conditions),
            self._shares,
            self._rows.lookup,
            self._alike,
            params,
        )
        by_inputs: dict[tuple[contract.Input, ...], Limits] = {}
        self._limits = {
            name: by_inputs.setdefault(signature.inputs, Limits(signature, params))
            for name, signature in self._signatures.items()
        }
        expected = {item.name: item for item in contract.SIGNATURES[contract.RECOMMEND].inputs}
        filters, wishes = (specs_of(expected[name] for name in names) for names in (_FILTERS, _WISHES))
        # One function for every signature that takes wishes. Not inlined: what most requests do not
        # have should cost them one operation that is skipped.
        self._wished = apart(
            self._as_wished,
            [
                *Queries.specs()[:3],  # the conditions are read inside
                tf.TensorSpec([], tf.bool),
                tf.TensorSpec([None], tf.int32),
                filters,
                wishes,
            ],
        )

    # --- signatures --------------------------------------------------------------
    def serving_default(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        return self._recommend(inputs, self._params.default_k)

    def recommend(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        return self._recommend(inputs, self._params.max_k)

    def recommend_exact(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        return self._recommend(inputs, self._params.max_k, exact=True)

    def recommend_user(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        """As `recommend` with the history known at training; the popular list for anyone else."""
        users = inputs[contract.USER_ID]
        if self._users is None:
            batch = tf.shape(users)[0]
            known, history = tf.fill([batch], False), {item.name: neutral(item, batch) for item in _HISTORY}
        else:
            known, history = self._users.lookup(users, self._ids.read_value())
        request = {
            **history,
            contract.USER_ID: tf.where(known, users, contract.PAD_ID),
            contract.K: inputs[contract.K],
        }
        return self._recommend(request, self._params.max_k)

    def similar(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        row = self._rows.lookup(inputs[contract.ITEM_ID])
        asked = self._k(inputs[contract.K])
        k = tf.where(row >= 0, asked, 0)
        queries = self._alike(tf.maximum(row, 0))
        seen = Seen.of(row[:, tf.newaxis])
        found = self._search(queries, None, seen, k, self._ranking.width(k), self._params.max_k)
        return self._result(found, k, _columns(asked))

    def rate(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        return {contract.RATINGS: self._towers.rate(**inputs)}

    def details(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        columns = inputs[contract.COLUMNS]
        rows = self._rows.lookup(inputs[contract.ITEM_IDS])
        return {contract.COLUMNS: columns, contract.VALUES: self._details(rows, columns)}

    def explain(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        """See `explain.leave_one_out`; one request after the other, each being a batch of its own."""
        history = {name: inputs[name] for name in contract.HISTORY_FEATURES}
        others = {name: inputs[name] for name in _QUERY_INPUTS if name not in history}
        asked = self._rows.lookup(inputs[contract.ITEM_IDS])
        known = self._rows.lookup(inputs[contract.HISTORY_ITEM_IDS])

        def one(request: tuple[dict[str, tf.Tensor], ...]) -> tuple[tf.Tensor, tf.Tensor]:
            history, others, rows, asked = request

            def embed(versions: dict[str, tf.Tensor]) -> tf.Tensor:
                count = tf.shape(versions[contract.HISTORY_ITEM_IDS])[0]
                repeated = {
                    name: tf.repeat(value[tf.newaxis], count, axis=0) for name, value in others.items()
                }
                return self._towers.embed_query(**versions, **repeated)

            items = take(self._embeddings, tf.maximum(asked, 0))
            return leave_one_out(history, rows, embed, items, self._params.explain_history)

        shape = [tf.shape(asked)[0], tf.shape(asked)[1], contract.EXPLAIN_WIDTH]
        rows, weights = tf.cond(
            # A loop over no requests would not know the shape of its results.
            shape[0] > 0,
            lambda: tf.map_fn(
                one,
                (history, others, known, asked),
                fn_output_signature=(
                    tf.TensorSpec([None, contract.EXPLAIN_WIDTH], tf.int32),
                    tf.TensorSpec([None, contract.EXPLAIN_WIDTH], tf.float32),
                ),
                parallel_iterations=1,
            ),
            lambda: (tf.zeros(shape, tf.int32), tf.zeros(shape, tf.float32)),
        )
        shown = (rows >= 0) & (asked >= 0)[:, :, tf.newaxis]
        return {
            contract.HISTORY_ITEM_IDS: tf.where(shown, self._names(rows), contract.PAD_ID),
            contract.WEIGHTS: tf.where(shown, weights, contract.PAD_SCORE),
        }

    def embed_query(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        return {contract.EMBEDDING: self._towers.embed_query(**inputs)}

    def embed_item(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        given = {name: inputs[name] for name in (contract.ITEM_ID, contract.RATING_COUNT)}
        others = [item for item in contract.ITEM_INPUTS if item.name not in given]
        said = attributes.read(inputs[contract.ATTRIBUTES], [*others, *self._own_inputs])
        return {contract.EMBEDDING: self._towers.embed_item(**given, **said)}

    def evaluate(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        """Answers timelines as `recommend` would, beside what the metrics compare with.

        No limit on the history: whoever was asked to serve may send less, a
        metric leaves no user out.
        """
        parsed = timelines.parse(inputs[contract.EXAMPLES], self._implicit)
        batch = tf.shape(parsed[contract.USER_ID])[0]
        request = _completed(_with_ratings(parsed), contract.RECOMMEND)
        queries = self._queries(request)
        width = contract.EVALUATE_K
        k = tf.fill([batch], width)
        found, best = (self._ranking.found(queries, exact, k, width) for exact in (False, True))
        popular = self._popular(None, queries.seen, k, self._ranking.width(k))
        result = self._result(found, k, width)
        targets = parsed[contract.TARGET_ITEM_IDS]
        values = contract.of_feedback(contract.TARGET_RATINGS, self._implicit)
        asked = {name: request[name] for name in _QUERY_INPUTS}
        return {
            **result,
            contract.EXACT_ITEM_IDS: self._result(best, k, width)[contract.ITEM_IDS],
            contract.POPULAR_ITEM_IDS: self._result(popular, k, width)[contract.ITEM_IDS],
            contract.TARGET_ITEM_IDS: targets,
            values: _nan_past_end(targets, parsed[values]),
            contract.PREDICTED_RATINGS: _nan_past_end(
                targets, self._towers.rate(**asked, **{contract.ITEM_IDS: targets})
            ),
            contract.ITEM_NOVELTY: self._novelty(result[contract.ITEM_IDS]),
            contract.TARGET_COLD: _nan_past_end(targets, self._is_cold(targets)),
            contract.CATALOGUE_SIZE: tf.fill([batch], tf.constant(self._ids.shape[0], tf.int64)),
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the catalogue, as `details` answers them."""
        return self._details.columns

    def functions(self) -> dict[str, Any]:
        """Functions by signature name, with exactly the contract's inputs and outputs."""
        made = {name: self.function(name) for name in self._signatures if name != contract.RECOMMEND_EXACT}
        # In a model whose search is exact both are one: its graph is half as large.
        same = self._search is self._exact
        made[contract.RECOMMEND_EXACT] = (
            made[contract.RECOMMEND] if same else self.function(contract.RECOMMEND_EXACT)
        )
        return made

    def function(self, name: str) -> Any:
        """The function of one signature; what is not required may be left out."""
        signature = self._signatures[name]
        answer = getattr(self, name)
        limits = self._limits[name]

        def call(inputs: Tensors) -> dict[str, tf.Tensor]:
            outputs = answer(_with_ratings(limits(inputs)))
            return {item.name: tf.identity(outputs[item.name], item.name) for item in signature.outputs}

        defaults = {item.name: neutral(item, 1) for item in signature.inputs if not item.required}
        if contract.K in defaults:
            # Says the same as 0, and tells a server how wide the answer is.
            defaults[contract.K] = tf.constant([self._params.default_k], tf.int32)
        if contract.COLUMNS in defaults:
            defaults[contract.COLUMNS] = tf.constant([self._details.columns])
        return function_of(signature.inputs, call, defaults)

    # --- parts ---------------------------------------------------------------------
    def _recommend(self, inputs: Tensors, largest_k: int, exact: bool = False) -> dict[str, tf.Tensor]:
        """The best items for a query that are not in its history and meet its filters.

        `largest_k` bounds what any request may ask for.
        """
        request = _completed(inputs, contract.RECOMMEND)
        k = self._k(request[contract.K])
        queries = self._queries(request)
        if contract.WHERE not in inputs:
            found = self._ranking.found(queries, exact, k, largest_k)
            return self._result(found, k, _columns(k))
        filters, wishes = ([inputs[name] for name in names] for names in (_FILTERS, _WISHES))
        said = [tf.reduce_any(inputs[item.name] != item.neutral) for item in _SPECIAL]
        found = tf.cond(
            tf.reduce_any(said),
            lambda: self._wished(*queries[:3], tf.constant(exact), k, filters, wishes),
            lambda: self._ranking.found(queries, exact, k, self._ranking.most_wished),
        )
        return self._result(Candidates(*found), k, _columns(k))

    def _as_wished(
        self,
        vectors: tf.Tensor,
        seen: Seen,
        empty: tf.Tensor,
        exact: tf.Tensor,
        k: tf.Tensor,
        filters: Sequence[tf.Tensor],
        wishes: Sequence[tf.Tensor],
    ) -> Candidates:
        asked = Queries(vectors, seen, empty, self._conditions.ask(*filters))
        return self._ranking.wished(asked, exact, k, Wishes(*wishes))

    def _alike(self, rows: tf.Tensor) -> tf.Tensor:
        """float32[..., D] of rows, int32[...]: unit vectors whose cosines say how alike items are."""
        similar_query = getattr(self._towers, contract.SIMILAR_QUERY, None)
        if similar_query is None:
            return take(self._embeddings, rows)
        found = similar_query(tf.reshape(self._names(rows), [-1]))
        return tf.reshape(found, tf.concat([tf.shape(rows), [self._embeddings.shape[1]]], axis=0))

    def _queries(self, request: Tensors) -> Queries:
        """What to search with, for every row."""
        vectors = self._towers.embed_query(**{name: request[name] for name in _QUERY_INPUTS})
        vectors = tf.debugging.assert_all_finite(vectors, "the query tower's vector is not finite")
        history = self._rows.lookup(request[contract.HISTORY_ITEM_IDS])
        seen = Seen.of(tf.concat([history, self._rows.lookup(request[contract.EXCLUDE])], axis=1))
        # A date alone is a query: what was liked at that time.
        empty = (tf.reduce_max(history, axis=1) < 0) & (request[contract.NOW] == 0)
        empty &= tf.reduce_max(request[contract.TASTE_WEIGHTS], axis=1) <= 0
        if self._has_user_columns:
            empty &= request[contract.USER_ID] == contract.PAD_ID
        return Queries(vectors, seen, empty)

    def _k(self, k: tf.Tensor) -> tf.Tensor:
        return tf.where(k == 0, self._params.default_k, k)

    def _result(self, found: Candidates, k: tf.Tensor, columns: int | tf.Tensor) -> dict[str, tf.Tensor]:
        """The first k of each row, padded to `columns`."""
        found = found.keep(tf.range(tf.shape(found.rows)[1]) < k[:, tf.newaxis])
        short = [[0, 0], [0, tf.maximum(columns - tf.shape(found.rows)[1], 0)]]
        rows = tf.pad(found.rows, short)[:, :columns]
        scores = tf.pad(found.scores, short, constant_values=NOTHING)[:, :columns]
        present = tf.math.is_finite(scores)
        return {
            contract.ITEM_IDS: tf.where(present, self._names(rows), contract.PAD_ID),
            contract.SCORES: tf.where(present, scores, contract.PAD_SCORE),
        }

    def _names(self, rows: tf.Tensor) -> tf.Tensor:
        return take(self._ids, tf.maximum(rows, 0))

    def _novelty(self, ids: tf.Tensor) -> tf.Tensor:
        """float32: -log2 of each item's share of train ratings (Vargas & Castells 2011), NaN at pads."""
        share = take(self._shares, tf.maximum(self._rows.lookup(ids), 0))
        return _nan_past_end(ids, -tf.math.log(share) / np.float32(np.log(2.0)))

    def _is_cold(self, ids: tf.Tensor) -> tf.Tensor:
        """float32: 1 where the item has no train rating or is unknown."""
        rows = self._rows.lookup(ids)
        return tf.cast((rows < 0) | take(self._cold, tf.maximum(rows, 0)), tf.float32)


def _with_ratings(inputs: Tensors) -> Tensors:
    """Weights of a history as the ratings that the towers read; 0 stays 0, which is unknown."""
    if contract.HISTORY_WEIGHTS not in inputs:
        return inputs
    weights = inputs[contract.HISTORY_WEIGHTS]
    ratings = tf.where(weights > 0, contract.rating_of_weight(weights), 0.0)
    others = {name: value for name, value in inputs.items() if name != contract.HISTORY_WEIGHTS}
    return {**others, contract.HISTORY_RATINGS: ratings}


def _completed(inputs: Tensors, signature: str) -> dict[str, tf.Tensor]:
    """The inputs of `signature`, neutral where `inputs` has none."""
    batch = tf.shape(inputs[contract.HISTORY_ITEM_IDS])[0]
    expected = contract.SIGNATURES[signature].inputs
    return {
        item.name: inputs[item.name] if item.name in inputs else neutral(item, batch) for item in expected
    }


def _columns(k: tf.Tensor) -> tf.Tensor:
    """int32[]: the largest k of a batch, 0 of none."""
    return tf.maximum(tf.reduce_max(k), 0)


def _nan_past_end(ids: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.where(ids == contract.PAD_ID, float("nan"), values)
