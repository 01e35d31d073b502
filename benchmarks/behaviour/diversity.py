"""Diversity: what maximal marginal relevance costs, and what it brings."""

from __future__ import annotations

from typing import Final

import numpy as np
import scipy.sparse as sp

import contract
from benchmarks.behaviour import measured
from benchmarks.behaviour.asked import Asked
from benchmarks.behaviour.log import Log
from leaderboard.ranking import UserMetrics

VALUES: Final = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
UNLIKENESS: Final = "unlikeness"
GENRES: Final = "genres"
METRICS: Final = (measured.RECALL_10, measured.NDCG_10, UNLIKENESS, GENRES)
_K: Final = 10


def measure(asked: Asked, log: Log) -> dict[float, UserMetrics]:
    """The trade-off: `diversity` of the request -> figures of the first ten, METRICS by person."""
    requests = asked.requests(log.queries)
    items = asked.items(np.arange(log.catalogue.size))
    curve = {}
    for value in VALUES:
        rows = asked.recommended([{**request, contract.DIVERSITY: value} for request in requests], _K)
        found = measured.of_lists(rows, log.relevant)
        lists = {UNLIKENESS: unlikeness(rows, items), GENRES: genres(rows, log.catalogue.genres)}
        curve[value] = measured.by_user({**found.values, **lists})
    return curve


def unlikeness(rows: np.ndarray, items: np.ndarray) -> np.ndarray:
    """float64[U]: 1 - mean cosine of the pairs of a list (Smyth and McClave 2001); 0 for fewer than two.

    Args:
      rows: int[U, K], -1 past the end.
      items: float[N, D], unit vectors.
    """
    inside = rows >= 0
    vectors = np.where(inside[:, :, None], items[np.maximum(rows, 0)], 0.0).astype(np.float64)
    count = inside.sum(axis=1)
    # The square of a sum of unit vectors is the count and twice the sum over pairs.
    pairs = (np.square(vectors.sum(axis=1)).sum(axis=1) - np.square(vectors).sum(axis=(1, 2))) / 2
    number = count * (count - 1) / 2
    return np.where(number > 0, 1 - pairs / np.maximum(number, 1), 0.0)


def genres(rows: np.ndarray, of_items: sp.csr_matrix) -> np.ndarray:
    """float64[U]: how many different genres the items of each list have.

    Args:
      rows: int[U, K], -1 past the end.
      of_items: float[N, G], multi-hot.
    """
    user, _ = np.nonzero(rows >= 0)
    chosen = rows[rows >= 0]
    shown = sp.csr_matrix((np.ones(len(chosen)), (user, chosen)), (len(rows), of_items.shape[0]))
    return np.asarray(((shown @ of_items) > 0).sum(axis=1), np.float64).ravel()
