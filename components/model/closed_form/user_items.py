"""Events as a sparse matrix of users by items: what the closed-form parts are fitted on."""

from __future__ import annotations

import numpy as np
from scipy import sparse


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
