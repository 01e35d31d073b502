"""Metrics of a model's rankings of the whole catalogue, user by user.

The definitions are components.common.metrics'. An item's rank is the number of items that score
higher, plus, of those that score the same, the ones that stand before it in the catalogue (as
tf.math.top_k has it). The items of the history are out of the running; one that scores -inf is
never shown.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Final

import numpy as np

import contract
from components.common.metrics import registry
from components.common.metrics.hits import NEVER, Hits
from leaderboard.model import Model
from leaderboard.split import Histories, Part, Split

# Results that the metrics look at, as the evaluator has them.
DEPTH: Final = contract.EVALUATE_K
# Scores held at once, float64 at worst: 128 MB.
_SCORES_PER_BLOCK: Final = 16 * 1024 * 1024


def metrics() -> tuple[str, ...]:
    """What `evaluate` measures, in the order of the table."""
    return tuple(registry.on_leaderboard(registry.HITS))


@dataclasses.dataclass(frozen=True)
class UserMetrics:
    """One row per user who was measured.

    Attributes:
      users: int64[R], positions in the split's user_ids.
      values: metric -> float64[R].
      seconds_per_query: of the model, in the evaluator's blocks.
      weights: metric -> float64[R], what a user counts in the mean; of others each counts once.
    """

    users: np.ndarray
    values: dict[str, np.ndarray]
    seconds_per_query: float
    weights: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def mean(self, metric: str, among: np.ndarray | None = None) -> float:
        """Over all of the rows, or over those of some users (bool[U]); NaN if there is none."""
        rows = np.ones(len(self.users), bool) if among is None else among[self.users]
        return float(self.resampled(metric, rows[None].astype(np.float64))[0])

    def resampled(self, metric: str, weights: np.ndarray) -> np.ndarray:
        """float64[W]: the figure with users weighted by each row of weights (float[W, R])."""
        own = self.weights.get(metric, np.ones(len(self.users)))
        # A value of no weight may be NaN: there was nothing to measure.
        sums = np.where(own > 0, own * self.values[metric], 0.0)
        with np.errstate(invalid="ignore"):
            return registry.finish(metric, weights @ sums / (weights @ own))


def evaluate(model: Model, split: Split, part: Part) -> UserMetrics:
    """Asks a fitted model for every user of a part.

    Raises:
      ValueError: the model's scores are of another shape, or NaN.
    """
    relevant, users = judged(part)
    block = max(1, _SCORES_PER_BLOCK // split.catalogue.size)
    shown = registry.on_leaderboard(registry.HITS)
    values: dict[str, list[np.ndarray]] = {name: [np.zeros(0)] for name in shown}
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
        hits = Hits.of_ranks(ranks, wanted.owner, len(asked), DEPTH)
        for name, metric in shown.items():
            values[name].append(metric.of_users(hits))
    return UserMetrics(
        users, {name: np.concatenate(parts) for name, parts in values.items()}, seconds / max(1, len(users))
    )


def judged(part: Part) -> tuple[Histories, np.ndarray]:
    """Relevant targets, and int64[R]: the users with a history and at least one of them."""
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


def _check(model: Model, scores: np.ndarray, shape: tuple[int, int]) -> None:
    if scores.shape != shape:
        raise ValueError(f"{model.NAME} scored {scores.shape}, expected [queries, items] = {shape}")
    if np.isnan(scores).any():
        raise ValueError(f"{model.NAME} scored {int(np.isnan(scores).sum())} items as NaN")
