"""Search that looks only at what a request's conditions leave, where that is little."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from components.common.tensors import apart
from components.index.conditions.asked import Asked
from components.index.conditions.conditions import Conditions
from components.index.search.candidates import Candidates, Seen
from components.index.search.listed import ListedSearch

# (queries, wanted, seen, needed, width, most) -> Candidates, as ExactSearch and ApproximateSearch.
Search = Callable[[tf.Tensor, Asked | None, Seen, tf.Tensor, tf.Tensor, int], Candidates]

# A row is searched among the items of one of its columns if these are at most one in so many of the
# catalogue. With more, what ScaNN is first asked for holds as many as most requests need.
_ONE_IN = 32
# So few are looked at faster than ScaNN answers.
_FEW = 1024


class SelectiveSearch(tf.Module):
    """Rows whose conditions leave few items are searched exactly, among these; others by another search.

    Args:
      search: the other.
      listed: search among some rows.
      conditions: the catalogue's columns.
      items: N, of the catalogue.
    """

    def __init__(self, search: Search, listed: ListedSearch, conditions: Conditions, items: int) -> None:
        super().__init__(name="selective_search")
        self._search = search
        self._listed = listed
        self._conditions = conditions
        # As many as the catalogue has are no few: a row that asks for no column's values, but only refuses
        # some, has no list of items to look at.
        self._most = min(max(_FEW, items // _ONE_IN), items - 1)

    def __call__(
        self,
        queries: tf.Tensor,
        wanted: Asked | None,
        seen: Seen,
        needed: tf.Tensor,
        width: tf.Tensor,
        most: int,
    ) -> Candidates:
        """As `ExactSearch`; a row of which nothing is needed may be left short."""
        if wanted is None:
            return self._search(queries, wanted, seen, needed, width, most)
        few = wanted.some & (wanted.choice.size <= self._most) & (needed > 0)
        others = tf.where(few, 0, needed)
        found = Candidates(
            *tf.cond(
                tf.reduce_any(others > 0),
                lambda: self._search(queries, wanted, seen, others, width, most),
                lambda: Candidates.none(tf.shape(queries)[0], width),
            )
        )

        def listed() -> Candidates:
            def one(row: tf.Tensor) -> Candidates:
                asked = wanted.take(row)
                rows = self._conditions.listed(asked)
                return self._listed(rows, tf.gather(queries, row), asked, seen.take(row), width)

            at = tf.where(few)[:, 0]
            return found.replaced(at, Candidates.of_each(at, one, width))

        return Candidates(*tf.cond(tf.reduce_any(few), apart(listed), lambda: found))
