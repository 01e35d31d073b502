"""Recall@k and NDCG@k of a model over the whole catalogue, user by user.

The definitions are components.evaluator.metrics.definitions'; a test compares. An item's rank is
the number of items that score higher, plus, of those that score the same, the ones
that stand before it in the catalogue (as tf.math.top_k has it). The items of the
history are out of the running; an item that scores -inf is never shown.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Final

import numpy as np

import contract
from leaderboard.model import Model
from leaderboard.split import Histories, Part, Split

RECALL_10: Final = "recall@10"
RECALL_20: Final = "recall@20"
RECALL_100: Final = "recall@100"
NDCG_10: Final = "ndcg@10"
METRICS: Final = (RECALL_10, RECALL_20, RECALL_100, NDCG_10)
_RECALLS: Final = {RECALL_10: 10, RECALL_20: 20, RECALL_100: 100}
_NDCG_K: Final = 10
# The rank of an item that is not shown at all: beyond every k, however small the catalogue.
NEVER: Final = np.iinfo(np.int64).max

# Scores held at once, float64 at worst: 128 MB.
_SCORES_PER_BLOCK: Final = 16 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class UserMetrics:
    """One row per user who has a history and a relevant target.

    Attributes:
      users: int64[R], positions in the split's user_ids.
      values: metric -> float64[R].
      seconds_per_query: of `score_many`, in the evaluator's blocks.
    """

    users: np.ndarray
    values: dict[str, np.ndarray]
    seconds_per_query: float

    def mean(self, metric: str, among: np.ndarray | None = None) -> float:
        """Over all of the rows, or over those of some users (bool[U]); NaN if there is none."""
        values = self.values[metric] if among is None else self.values[metric][among[self.users]]
        return float(values.mean()) if values.size else float("nan")

    def resampled(self, metric: str, weights: np.ndarray) -> np.ndarray:
        """float64[W]: the mean with users weighted by each row of weights (float[W, R])."""
        return np.asarray(weights @ self.values[metric] / weights.sum(axis=1))


def evaluate(model: Model, split: Split, part: Part) -> UserMetrics:
    """Asks a fitted model for every user of a part.

    Raises:
      ValueError: the model's scores are of another shape, or NaN.
    """
    relevant, users = judged(part)
    block = max(1, _SCORES_PER_BLOCK // split.catalogue.size)
    values: dict[str, list[np.ndarray]] = {name: [np.zeros(0)] for name in METRICS}
    seconds = 0.0
    for start in range(0, len(users), block):
        asked = users[start : start + block]
        queries = split.queries(part, asked)
        began = time.perf_counter()
        scores = np.asarray(model.score_many(queries))
        seconds += time.perf_counter() - began
        _check(model, scores, (len(asked), split.catalogue.size))
        scores = np.array(scores, np.result_type(scores, np.float32))  # a copy that can hold -inf
        scores[queries.history.owner, queries.history.rows] = -np.inf
        wanted = relevant.take(asked)
        ranks = target_ranks(scores, wanted.owner, wanted.rows)
        for name, of_users in of_ranks(ranks, wanted.owner, len(asked)).items():
            values[name].append(of_users)
    return UserMetrics(
        users, {name: np.concatenate(parts) for name, parts in values.items()}, seconds / max(1, len(users))
    )


def judged(part: Part) -> tuple[Histories, np.ndarray]:
    """Every user's relevant targets, and int64[R], who is asked for: has some, and a history."""
    relevant = part.targets.where(part.targets.ratings >= contract.RELEVANT_RATING)
    return relevant, np.flatnonzero((relevant.lengths > 0) & (part.history.lengths > 0))


def target_ranks(scores: np.ndarray, owner: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """int64[T]: the rank, from 0, of target t, item rows[t] in scores[owner[t]] (float[B, N]), or NEVER."""
    number = scores.shape[1]
    columns = np.arange(number)
    ranks = np.empty(len(rows), np.int64)
    block = max(1, _SCORES_PER_BLOCK // number)
    for start in range(0, len(rows), block):
        part = slice(start, start + block)
        lines, row = scores[owner[part]], rows[part, None]
        own = np.take_along_axis(lines, row, axis=1)
        ahead = (lines > own) | ((lines == own) & (columns < row))
        ranks[part] = np.where(own[:, 0] == -np.inf, NEVER, ahead.sum(axis=1))
    return ranks


def of_ranks(ranks: np.ndarray, owner: np.ndarray, users: int) -> dict[str, np.ndarray]:
    """metric -> float64[users], from the ranks of their relevant items, at least one each."""
    count = np.bincount(owner, minlength=users)
    found = {name: np.bincount(owner, ranks < k, minlength=users) / count for name, k in _RECALLS.items()}
    discounts = 1.0 / np.log2(np.arange(_NDCG_K) + 2.0)
    gains = np.where(ranks < _NDCG_K, discounts[np.minimum(ranks, _NDCG_K - 1)], 0.0)
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(count, _NDCG_K)]
    return {**found, NDCG_10: np.bincount(owner, gains, minlength=users) / ideal}


def _check(model: Model, scores: np.ndarray, shape: tuple[int, int]) -> None:
    if scores.shape != shape:
        raise ValueError(f"{model.NAME} scored {scores.shape}, expected [queries, items] = {shape}")
    if np.isnan(scores).any():
        raise ValueError(f"{model.NAME} scored {int(np.isnan(scores).sum())} items as NaN")
