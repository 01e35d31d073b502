"""The items for a batch of queries: searched, among those named, boosted, of each value so many, varied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

import contract
from components.common.tensors import apart
from components.index.conditions.asked import Asked
from components.index.conditions.caps import Caps
from components.index.conditions.postings import ascending
from components.index.params import IndexParams
from components.index.search.at_most import at_most
from components.index.search.candidates import Candidates, Seen
from components.index.search.diversity import diversify
from components.index.search.listed import ListedSearch
from components.index.search.popular import PopularList
from components.index.search.selective import Search

# Rows of ids, -1 for an unknown one.
Lookup = Callable[[tf.Tensor], tf.Tensor]


class Queries(NamedTuple):
    """What a batch is searched with.

    Attributes:
      vectors: float32[B, D].
      seen: what must not come back: the history and the exclusions.
      empty: bool[B], rows that say nothing to search by: no known history, no taste, no date
        and, where the data has columns of users, no user id.
      wanted: conditions; None where there can be none.
    """

    vectors: tf.Tensor
    seen: Seen
    empty: tf.Tensor
    wanted: Asked | None = None

    @classmethod
    def specs(cls) -> Queries:
        """The types of a batch of any size, with conditions."""
        table, row = [None, None], [None]
        seen = Seen(tf.TensorSpec(table, tf.int32))
        return cls(tf.TensorSpec(table, tf.float32), seen, tf.TensorSpec(row, tf.bool), Asked.specs())

    def take(self, rows: tf.Tensor) -> Queries:
        """Some rows of the batch."""
        wanted = self.wanted and self.wanted.take(rows)
        return Queries(
            tf.gather(self.vectors, rows), self.seen.take(rows), tf.gather(self.empty, rows), wanted
        )


class Wishes(NamedTuple):
    """What else a batch of `recommend` says of the items it wants.

    Attributes:
      candidates: string[B, C], the only items to rank; none for all.
      boosted: string[B, O], items with an amount of their own; of an id that stands twice the first counts.
      boosts: float32[B, O], added to their scores.
      at_most: string[B, V], see `Caps`.
      diversity: float32[B] in [0, 1].
    """

    candidates: tf.Tensor
    boosted: tf.Tensor
    boosts: tf.Tensor
    at_most: tf.Tensor
    diversity: tf.Tensor

    @classmethod
    def specs(cls) -> Wishes:
        """The types of a batch of any size."""
        names, numbers = (tf.TensorSpec([None, None], dtype) for dtype in (tf.string, tf.float32))
        return cls(names, names, numbers, names, tf.TensorSpec([None], tf.float32))

    def take(self, rows: tf.Tensor) -> Wishes:
        return Wishes(*(tf.gather(tensor, rows) for tensor in self))


class Ranking(tf.Module):
    """Ranks a catalogue of N items.

    Whether a row is searched exactly is bool[] where the answer is known when the graph runs, as one
    graph of what few requests need serves both kinds of search, and a bool where it is known before.

    Args:
      search: for what is not searched exactly.
      exact: exact search; the same where all is.
      popular: the popular list.
      listed: search among some rows.
      caps: counts of the catalogue's values.
      shares: float32[N], of the train ratings, descending.
      lookup: rows of ids.
      alike: int32[...] -> float32[..., D], unit vectors whose cosines say how alike items are.
      params: limits and pools.
    """

    def __init__(
        self,
        search: Search,
        exact: Search,
        popular: PopularList,
        listed: ListedSearch,
        caps: Caps,
        shares: tf.Variable,
        lookup: Lookup,
        alike: Callable[[tf.Tensor], tf.Tensor],
        params: IndexParams,
    ) -> None:
        super().__init__(name="ranking")
        self._search = search
        self._exact = exact
        self._popular = popular
        self._listed = listed
        self._caps = caps
        self._shares = shares
        self._lookup = lookup
        self._alike = alike
        self._params = params
        # Enough for either pool at once: what is too few is searched again, for twice the time.
        self.most_wished = max(params.max_k, params.diversity_pool, params.at_most_pool)
        # One function, however often a pool is made.
        specs = [Queries.specs(), tf.TensorSpec([], tf.bool), tf.TensorSpec([None], tf.int32), Wishes.specs()]
        self._pooled = apart(self._pool, specs)

    def wished(self, queries: Queries, exact: tf.Tensor, k: tf.Tensor, wishes: Wishes) -> Candidates:
        """The items of each row, best first, in the width of the largest k.

        Args:
          queries: the B rows, with their conditions.
          exact: bool[], whether what is not named is searched exactly.
          k: int32[B], results of each row.
          wishes: see there.
        """
        mixed = wishes.diversity > 0
        needed = tf.where(mixed, tf.maximum(k, self._params.diversity_pool), k)
        pool = self._capped(queries, exact, needed, wishes)
        width = self.width(k)

        def mix() -> Candidates:
            # A row's own pool ends where its need does: its answer must not
            # depend on what else is in the batch.
            inside = tf.range(tf.shape(pool.rows)[1]) < needed[:, tf.newaxis]
            scale = self._scale(queries.empty)
            relative = Candidates(pool.rows, pool.scores / scale).keep(inside)
            chosen = diversify(relative, self._alike(pool.rows), wishes.diversity, width)
            return Candidates(chosen.rows, chosen.scores * scale)

        return Candidates(*tf.cond(tf.reduce_any(mixed), mix, lambda: pool.best(width)))

    def found(self, queries: Queries, exact: tf.Tensor | bool, needed: tf.Tensor, most: int) -> Candidates:
        """[B, width of `needed`]: the best by the query, or the popular list for a row that has none.

        Args:
          queries: the B rows.
          exact: whether they are searched exactly.
          needed: int32[B], results of each row.
          most: results that any row of the signature can need.
        """
        width = self.width(needed)
        searched = tf.where(queries.empty, 0, needed)
        best = self._best(exact)(queries.vectors, queries.wanted, queries.seen, searched, width, most)

        def with_popular() -> Candidates:
            listed = tf.where(queries.empty, needed, 0)
            popular = self._popular(queries.wanted, queries.seen, listed, width)
            empty = queries.empty[:, tf.newaxis]
            return Candidates(
                tf.where(empty, popular.rows, best.rows), tf.where(empty, popular.scores, best.scores)
            )

        return _only_if(tf.reduce_any(queries.empty), with_popular, best)

    def width(self, needed: tf.Tensor) -> tf.Tensor:
        """int32[]: the most that any row needs, at least 1 and at most the catalogue."""
        return tf.clip_by_value(tf.reduce_max(needed), 1, self._shares.shape[0])

    # --- parts ---------------------------------------------------------------------
    def _best(self, exact: tf.Tensor | bool) -> Search:
        if self._search is self._exact or exact is True:
            return self._exact
        if exact is False:
            return self._search

        def chosen(*request: Any) -> Candidates:
            found = tf.cond(exact, lambda: self._exact(*request), lambda: self._search(*request))
            return Candidates(*found)

        return chosen

    def _capped(self, queries: Queries, exact: tf.Tensor, needed: tf.Tensor, wishes: Wishes) -> Candidates:
        """[B, width of `needed`], of each value at most so many."""
        capped = _any(wishes.at_most)
        pool_size = min(self._params.at_most_pool, self._shares.shape[0])
        sought = tf.where(capped, tf.maximum(needed, pool_size), needed)
        pool = Candidates(*self._pooled(queries, exact, sought, wishes))
        width = self.width(needed)

        def choose(pool: Candidates, caps: tf.Tensor) -> Candidates:
            return at_most(pool, self._caps.values_of(caps, pool.rows), self._caps.room(caps), width)

        def with_caps() -> Candidates:
            caps = self._caps.read(wishes.at_most)
            # As with diversity, a row's pool is its own.
            own = pool.keep(tf.range(tf.shape(pool.rows)[1]) < sought[:, tf.newaxis])
            chosen = choose(own, caps)
            # A pool with places left holds all there is.
            short = capped & (chosen.count < needed) & (own.count >= sought)

            def among_all(row: tf.Tensor) -> Candidates:
                every = tf.fill([1], self._shares.shape[0])
                found = self._pooled(queries.take(row), tf.constant(True), every, wishes.take(row))
                return choose(Candidates(*found), tf.gather(caps, row))

            at = tf.where(short)[:, 0]
            return _only_if(
                tf.reduce_any(short),
                lambda: chosen.replaced(at, Candidates.of_each(at, among_all, width)),
                chosen,
            )

        return _only_if(tf.reduce_any(capped), with_caps, pool.best(width))

    def _pool(self, queries: Queries, exact: tf.Tensor, needed: tf.Tensor, wishes: Wishes) -> Candidates:
        """[B, width of `needed`], the best with their boosts.

        What is not boosted is found by the search and keeps its order: only the items that a request
        names are looked at one by one, and the result is what scoring all of them would give.
        """
        limited, boosted = _any(wishes.candidates), _any(wishes.boosted)
        # The boosted come in by their own scores, not by those without the boost.
        others = tf.cond(
            tf.reduce_any(boosted),
            lambda: Seen.of(tf.concat([queries.seen.rows, self._lookup(wishes.boosted)], axis=1)).rows,
            lambda: queries.seen.rows,
        )
        unnamed = queries._replace(seen=Seen(others))
        pool = self.found(unnamed, exact, tf.where(limited, 0, needed), self.most_wished)
        width = self.width(needed)
        pool = pool.best(width)

        def with_named() -> Candidates:
            def one(row: tf.Tensor) -> Candidates:
                asked, wished = queries.take(row), wishes.take(row)
                only, ids = _any(wished.candidates)[0], self._lookup(wished.boosted)[0]
                named = tf.cond(only, lambda: self._lookup(wished.candidates)[0], lambda: ids)
                named = ascending(tf.gather(named, tf.where(named >= 0)[:, 0]))

                assert asked.wanted is not None, "what takes wishes takes conditions"
                best = self._listed(
                    named,
                    asked.vectors,
                    asked.wanted,
                    asked.seen,
                    width,
                    asked.empty[0],
                    ids,
                    wished.boosts[0] * self._scale(asked.empty)[0],
                )
                found = Candidates(tf.gather(pool.rows, row), tf.gather(pool.scores, row))
                return found.keep(tf.reshape(~only, [1, 1])).merged(best, width)

            at = tf.where(limited | boosted)[:, 0]
            return pool.replaced(at, Candidates.of_each(at, one, width))

        return _only_if(tf.reduce_any(limited | boosted), with_named, pool)

    def _scale(self, empty: tf.Tensor) -> tf.Tensor:
        """float32[B, 1]: what a score of 1 is.

        Shares of the ratings are small beside cosines: what counts is the part of the largest.
        """
        return tf.where(empty, self._shares.read_value()[0], 1.0)[:, tf.newaxis]


def _any(ids: tf.Tensor) -> tf.Tensor:
    """bool[B]: whether a row, string[B, X], says anything."""
    return tf.reduce_any(ids != contract.PAD_ID, axis=1)


def _only_if(condition: tf.Tensor, answer: Callable[[], Candidates], otherwise: Candidates) -> Candidates:
    return Candidates(*tf.cond(condition, apart(answer), lambda: otherwise))
