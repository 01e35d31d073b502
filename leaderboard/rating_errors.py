"""RMSE and MAE of predicted stars, and how well they order a user's own test items.

Ranking only what the user is known to have rated measures another thing than ranking
the catalogue, and is reported because published notebooks do: with few test items
each, even random order does well, so random and perfect order stand beside it.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Final

import numpy as np

import contract
from leaderboard import protocols
from leaderboard.model import Model
from leaderboard.split import Histories, Part, Split

RMSE: Final = "rmse"
MAE: Final = "mae"
OWN_RECALL_10: Final = "own_recall@10"
OWN_PRECISION_10: Final = "own_precision@10"
ERRORS: Final = (RMSE, MAE)
METRICS: Final = (RMSE, MAE, OWN_RECALL_10, OWN_PRECISION_10)
_K: Final = 10
_USERS_PER_BLOCK: Final = 4096


@dataclasses.dataclass(frozen=True)
class RatingMetrics:
    """One row per user with a rating to predict.

    Attributes:
      users: int64[R], positions in the split's user_ids.
      count: int64[R], ratings predicted.
      squared, absolute: float64[R], sums of squared and absolute differences in stars.
      own_recall, own_precision: float64[R]; NaN without a relevant item among them.
      seconds_per_query: of `predict_ratings`, for one user's list.
    """

    users: np.ndarray
    count: np.ndarray
    squared: np.ndarray
    absolute: np.ndarray
    own_recall: np.ndarray
    own_precision: np.ndarray
    seconds_per_query: float

    def mean(self, metric: str, among: np.ndarray | None = None) -> float:
        """Over all ratings or users, or over those of some users (bool[U]); NaN if there is none."""
        kept = np.ones(len(self.users), bool) if among is None else among[self.users]
        return float(self.resampled(metric, kept[None].astype(np.float64))[0])

    def resampled(self, metric: str, weights: np.ndarray) -> np.ndarray:
        """float64[W]: the metric with users weighted by each row of weights (float[W, R])."""
        with np.errstate(invalid="ignore"):
            if metric == RMSE:
                return np.asarray(np.sqrt(weights @ self.squared / (weights @ self.count)))
            if metric == MAE:
                return np.asarray(weights @ self.absolute / (weights @ self.count))
            values = self.own_recall if metric == OWN_RECALL_10 else self.own_precision
            applies = ~np.isnan(values)
            return np.asarray(weights[:, applies] @ values[applies] / weights[:, applies].sum(axis=1))


def evaluate(model: Model, split: Split, part: Part) -> RatingMetrics:
    """Asks a fitted model for the ratings of a part whose user and item are in train.

    In the random split all ratings count: what it is compared with counts them too.

    Raises:
      ValueError: a prediction is not finite.
    """
    targets, users = judged(split, part)
    predicted, seconds = np.zeros(len(targets.rows)), 0.0
    for start in range(0, len(users), _USERS_PER_BLOCK):
        asked = np.arange(start, min(start + _USERS_PER_BLOCK, len(users)))
        queries, lists = split.queries(part, users[asked]), targets.take(asked)
        began = time.perf_counter()
        stars = np.asarray(model.predict_ratings(queries, lists), np.float64)
        seconds += time.perf_counter() - began
        if stars.shape != lists.rows.shape or not np.isfinite(stars).all():
            raise ValueError(
                f"{model.NAME} predicted {stars.shape} ratings, {np.isfinite(stars).sum()} finite, "
                f"expected {lists.rows.shape}, all finite"
            )
        predicted[targets.offsets[start] : targets.offsets[asked[-1] + 1]] = stars
    predicted = np.clip(predicted, contract.MIN_RATING, contract.MAX_RATING)
    error, owner, number = predicted - targets.ratings, targets.owner, len(users)
    recall, precision = own_ranking(predicted, targets)
    return RatingMetrics(
        users=users,
        count=targets.lengths,
        squared=np.bincount(owner, error**2, number),
        absolute=np.bincount(owner, np.abs(error), number),
        own_recall=recall,
        own_precision=precision,
        seconds_per_query=seconds / max(1, number),
    )


def judged(split: Split, part: Part) -> tuple[Histories, np.ndarray]:
    """The ratings of a part that count, as a list per user, and int64[R], whose they are."""
    targets = part.targets
    if split.protocol != protocols.RANDOM:
        seen = np.bincount(split.train.rows, minlength=split.catalogue.size) > 0
        known = split.train.lengths > 0
        targets = targets.where(seen[targets.rows] & known[targets.owner])
    users = np.flatnonzero(targets.lengths > 0)
    return targets.take(users), users


def own_ranking(scores: np.ndarray, targets: Histories) -> tuple[np.ndarray, np.ndarray]:
    """(float64[B] Recall@10, float64[B] Precision@10) of each list ordered by scores (float[E]).

    Of equal scores the lower row comes first. A list shorter than 10 misses the rest of
    its precision. NaN without a rating of contract.RELEVANT_RATING or more.
    """
    owner, offsets = targets.owner, targets.offsets
    order = np.lexsort((targets.rows, -scores, owner))
    place = np.arange(len(order)) - offsets[:-1][owner]
    relevant = targets.ratings >= contract.RELEVANT_RATING
    hits = np.bincount(owner, relevant[order] & (place < _K), len(targets))
    count = np.bincount(owner, relevant, len(targets))
    with np.errstate(invalid="ignore"):
        return hits / np.where(count, count, np.nan), np.where(count, hits / _K, np.nan)


def bounds(split: Split, part: Part) -> dict[str, dict[str, float]]:
    """What random order (in expectation) and perfect order reach, by name and metric."""
    targets, _ = judged(split, part)
    relevant = np.bincount(targets.owner, targets.ratings >= contract.RELEVANT_RATING, len(targets))
    counts, relevant = targets.lengths[relevant > 0], relevant[relevant > 0]
    # Each of n places is as likely for a relevant item; the first 10 are shown.
    shown = np.minimum(_K, counts) / counts
    best = np.minimum(_K, relevant)
    return {
        "random order": _means(shown, relevant * shown / _K),
        "perfect order": _means(best / relevant, best / _K),
    }


def _means(recall: np.ndarray, precision: np.ndarray) -> dict[str, float]:
    return {OWN_RECALL_10: float(recall.mean()), OWN_PRECISION_10: float(precision.mean())}
