"""RMSE and MAE of predicted stars, and how well they order a user's own test items.

Ranking only what the user is known to have rated measures another thing than ranking
the catalogue, and is reported because published notebooks do: with few test items
each, even random order does well, so random and perfect order stand beside it.
"""

from __future__ import annotations

import time
from typing import Final

import numpy as np

import contract
from components.common.metrics import names, registry
from components.common.metrics.errors import Errors
from components.common.metrics.hits import Hits
from leaderboard import protocols
from leaderboard.model import Model
from leaderboard.ranking import DEPTH, UserMetrics
from leaderboard.split import Histories, Part, Split

_K: Final = 10
_USERS_PER_BLOCK: Final = 4096


def metrics() -> tuple[str, ...]:
    """What `evaluate` measures, in the order of the table."""
    return tuple(registry.on_leaderboard(registry.ERRORS, registry.OWN))


def evaluate(model: Model, split: Split, part: Part) -> UserMetrics:
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
    results: registry.Results = {
        registry.ERRORS: Errors(predicted - targets.ratings, targets.owner, len(users)),
        registry.OWN: own_hits(predicted, targets),
    }
    shown = registry.on_leaderboard(*results)
    return UserMetrics(
        users=users,
        values={name: metric.of_users(results[metric.reads]) for name, metric in shown.items()},
        seconds_per_query=seconds / max(1, len(users)),
        weights={name: results[metric.reads].weights for name, metric in shown.items()},
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


def own_hits(scores: np.ndarray, targets: Histories) -> Hits:
    """Where the relevant items stand in each list ordered by scores (float[E]).

    Of equal scores the lower row comes first.
    """
    owner, offsets = targets.owner, targets.offsets
    order = np.lexsort((targets.rows, -scores, owner))
    place = np.arange(len(order)) - offsets[:-1][owner]
    relevant = targets.ratings[order] >= contract.RELEVANT_RATING
    return Hits.of_ranks(place[relevant], owner[relevant], len(targets), DEPTH)


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
    return {names.OWN_RECALL_10: float(recall.mean()), names.OWN_PRECISION_10: float(precision.mean())}
