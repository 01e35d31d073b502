"""Figures by user or by item, in the form that paired intervals are made of."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from components.common.metrics import names, registry
from components.common.metrics.hits import NEVER, Hits
from leaderboard.ranking import UserMetrics
from leaderboard.split import Histories

RECALL_10: Final = names.RECALL_10
RECALL_20: Final = names.RECALL_20
NDCG_10: Final = names.NDCG_10
# The longest list that these read.
WIDTH: Final = 20


@dataclasses.dataclass(frozen=True)
class Ratios:
    """A figure that is a ratio of two sums over units, such as items.

    Attributes:
      users: int64[R], the units.
      above, below: metric -> float64[R], the summands.
    """

    users: np.ndarray
    above: dict[str, np.ndarray]
    below: dict[str, np.ndarray]

    def mean(self, metric: str) -> float:
        return float(self.resampled(metric, np.ones((1, len(self.users))))[0])

    def resampled(self, metric: str, weights: np.ndarray) -> np.ndarray:
        """float64[W]: the ratio with units weighted by each row of weights (float[W, R])."""
        return np.asarray((weights @ self.above[metric]) / (weights @ self.below[metric]))


def by_user(values: dict[str, np.ndarray]) -> UserMetrics:
    """Means over all users of a log; every value float[U]."""
    (count,) = {len(of_users) for of_users in values.values()}
    return UserMetrics(np.arange(count), values, 0.0)


def of_lists(rows: np.ndarray, relevant: Histories) -> UserMetrics:
    """Recall@10, Recall@20 and NDCG@10 of lists.

    Args:
      rows: int[U, K], best first, -1 past the end; K < 20 leaves Recall@20 out.
      relevant: U lists, none empty.
    """
    return _metrics(list_ranks(rows, relevant.owner, relevant.rows), relevant, rows.shape[1])


def list_ranks(rows: np.ndarray, owner: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """int64[T]: the place, from 0, of item wanted[t] in rows[owner[t]] (int[U, K]), or NEVER."""
    same = rows[owner] == wanted[:, None]
    return np.where(same.any(axis=1), same.argmax(axis=1), NEVER)


def popularity(history: Histories, relevant: Histories) -> UserMetrics:
    """The same of the most rated items without the history; rows are in that order."""
    seen = [np.unique(history.rows[a:b]) for a, b in zip(history.offsets, history.offsets[1:], strict=False)]
    ahead = [
        np.searchsorted(seen[user], row) for user, row in zip(relevant.owner, relevant.rows, strict=True)
    ]
    return _metrics(relevant.rows - np.array(ahead, np.int64), relevant, WIDTH)


def _metrics(ranks: np.ndarray, relevant: Histories, width: int) -> UserMetrics:
    hits = Hits.of_ranks(ranks, relevant.owner, len(relevant), width)
    shown = registry.on_leaderboard(registry.HITS)
    wanted = [RECALL_10, NDCG_10] + ([RECALL_20] if width >= WIDTH else [])
    return by_user({name: shown[name].of_users(hits) for name in wanted})
