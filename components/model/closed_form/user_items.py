"""Events as a sparse matrix of users by items: what the closed-form parts are fitted on."""

from __future__ import annotations

import dataclasses
import logging
import time

import numpy as np
from scipy import sparse

from components.common.event_lists import Events
from components.model.closed_form import rating_factors
from components.model.fit_inputs import FitInputs
from components.model.hyperparameters import Hyperparameters

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class SampledEvents:
    """The train events that closed forms are fitted on.

    Attributes:
      index: int32[E], rows of the item vocabulary; `items` for an event out of it.
      events: E events of whole records.
      items: words of the item vocabulary.
    """

    index: np.ndarray
    events: Events
    items: int

    @classmethod
    def of(cls, inputs: FitInputs) -> SampledEvents:
        """At most `closed_form_events` of them: of more, whole records drawn."""
        some = some_records(inputs.train, inputs.params.closed_form_events, inputs.seed)
        index = np.asarray(inputs.catalogue.features.item_index)[some.rows]
        return cls(index, some, inputs.sizes.items)

    def __len__(self) -> int:
        return len(self.index)

    def watched(self) -> sparse.csr_matrix:
        """float64[U, N]: 1 where user u has an event with item i."""
        return watched(self.index, self.events.offsets, self.items)

    def fit_rating_factors(self, params: Hyperparameters, seed: int) -> rating_factors.Factors:
        """Of the events' ratings."""
        started = time.monotonic()
        ratings = mean_ratings(self.index, self.events.ratings, self.events.offsets, self.items)
        found = rating_factors.fit(ratings, params.rating_factors, params.rating_factors_sweeps, seed)
        _log.info("rating factors of %d events: %.1f s", len(self), time.monotonic() - started)
        return found


def some_records(events: Events, at_most: int, seed: int) -> Events:
    """Whole records drawn by `seed`, of no more than `at_most` events together; all where that is enough."""
    if len(events.rows) <= at_most:
        return events
    lengths = np.diff(events.offsets)
    order = np.random.default_rng(seed).permutation(len(lengths))
    drawn = np.sort(order[: np.searchsorted(np.cumsum(lengths[order]), at_most, side="right")])
    kept = lengths[drawn]
    offsets = np.concatenate([[0], np.cumsum(kept)])
    index = np.arange(offsets[-1]) + np.repeat(events.offsets[drawn] - offsets[:-1], kept)
    profiles = None if events.profiles is None else events.profiles[drawn]
    return Events(events.rows[index], events.ratings[index], events.timestamps[index], offsets, profiles)


def watched(items: np.ndarray, offsets: np.ndarray, num_items: int) -> sparse.csr_matrix:
    """float64[U, N]: 1 where user u has an event with item i; arguments as `mean_ratings`."""
    found = _sums(items, np.ones(len(items)), offsets, num_items)
    found.data[:] = 1.0
    return found


def mean_ratings(
    items: np.ndarray, stars: np.ndarray, offsets: np.ndarray, num_items: int
) -> sparse.csr_matrix:
    """float64[U, N]: the mean of user u's ratings of item i, stored where there is one.

    Args:
      items: int[E], the items of one user's events after the other's; `num_items` for one to leave out.
      stars: float[E].
      offsets: int64[U + 1]: user u's events are offsets[u] to offsets[u + 1].
      num_items: N.
    """
    found = _sums(items, stars, offsets, num_items)
    found.data /= _sums(items, np.ones(len(items)), offsets, num_items).data
    return found


def _sums(items: np.ndarray, values: np.ndarray, offsets: np.ndarray, num_items: int) -> sparse.csr_matrix:
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    kept = items < num_items
    shape = (len(offsets) - 1, num_items)
    # Events of one user with one item are added up.
    return sparse.csr_matrix((values[kept].astype(np.float64), (users[kept], items[kept])), shape=shape)
