"""All metrics: a new one is an entry here, and nothing else.

Whoever measures hands over the parts of `Results` that can be known there: the evaluator all but
OWN, the leaderboard HITS or, of protocols on ratings, ERRORS and OWN. A metric is measured wherever
the part that it reads is there. The evaluator writes it to metrics.json, its name can be a floor or
a ceiling of the gates, and the leaderboard shows it if the entry says so.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from components.common.metrics import names
from components.common.metrics.agreement import ann_recall
from components.common.metrics.errors import mean_absolute, mean_square
from components.common.metrics.novelty import novelty
from components.common.metrics.ranking import ndcg, precision, reciprocal_rank
from components.common.metrics.recall import recall

# Parts of the results of some users, by what they are of.
HITS: Final = "hits"  # Hits of the model's results
POPULAR: Final = "popular"  # Hits of the most popular items
RECENT: Final = "recent"  # Hits of recent popularity; the part is absent where the log has no cut in time
AGAINST_RECENT: Final = "against_recent"  # HitsPair of the model's results and recent popularity; likewise
COLD: Final = "cold"  # Hits of the model's results, where only items without a train event are relevant
OWN: Final = "own"  # Hits among the items that the user rated in the test part
INDEX: Final = "index"  # Agreement of approximate with exact search
SURPRISE: Final = "surprise"  # SelfInformation of the model's results
ERRORS: Final = "errors"  # Errors of predicted ratings
# What the evaluator knows: the metrics that gates can hold a model to.
EVALUATED: Final = (HITS, POPULAR, RECENT, AGAINST_RECENT, COLD, INDEX, SURPRISE, ERRORS)


class Part(Protocol):
    """A part of the results of U users."""

    @property
    def weights(self) -> NDArray[np.float64]:
        """float64[U]: a user's weight in the mean; 0: nothing there to measure."""


Results = Mapping[str, Any]  # part -> Part, all of the same users


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure that is a mean over users (over ratings, for errors).

    Attributes:
      name: in metrics.json, in the config of the gates and in tables.
      formula: in words, for the docs.
      reads: the part that it is computed from.
      of_users: that part -> float64[U], the value of each user; where the weight is 0 it does not count.
      finish: mean, or an array of means -> figure.
      lower_is_better: as of an error.
      on_leaderboard: whether the leaderboard shows it.
    """

    name: str
    formula: str
    reads: str
    of_users: Callable[[Any], NDArray[np.float64]]
    finish: Callable[[Any], Any] = np.asarray
    lower_is_better: bool = False
    on_leaderboard: bool = False


class Summary(Protocol):
    """What is known of a model when all users are added up."""

    @property
    def shown(self) -> set[bytes]:
        """Ids that stand in somebody's first 10."""

    @property
    def catalogue_size(self) -> int:
        """Items that could have been shown."""

    def mean(self, name: str) -> float:
        """The figure of a `Metric`; NaN where nobody counts."""

    def weight(self, name: str) -> float:
        """The sum of the weights behind it."""


@dataclasses.dataclass(frozen=True)
class Derived:
    """A figure that is computed from other ones, not user by user; `reads` as of `Metric`."""

    name: str
    formula: str
    reads: str
    of_summary: Callable[[Summary], float]


def _coverage(all_users: Summary) -> float:
    return len(all_users.shown) / all_users.catalogue_size if all_users.catalogue_size else math.nan


def _over_popularity(all_users: Summary) -> float:
    popularity = all_users.mean(names.POPULARITY_RECALL_10)
    return all_users.mean(names.RECALL_10) / popularity if popularity else math.nan


def _recall(name: str, of: str, reads: str, k: int, on_leaderboard: bool = False) -> Metric:
    return Metric(
        name, f"share of {of} among the first {k} results", reads, lambda hits: recall(hits, k),
        on_leaderboard=on_leaderboard,
    )  # fmt: skip


_RELEVANT: Final = "a user's relevant items"
_IN_COLD: Final = "the relevant items without a train event"
_BY_POPULARITY: Final = "a user's relevant items (of the most popular ones)"
_BY_RECENT: Final = "a user's relevant items (of those most popular in the days before)"

METRICS: tuple[Metric | Derived, ...] = (
    _recall(names.RECALL_10, _RELEVANT, HITS, 10, on_leaderboard=True),
    _recall(names.RECALL_20, _RELEVANT, HITS, 20, on_leaderboard=True),
    _recall(names.RECALL_100, _RELEVANT, HITS, 100, on_leaderboard=True),
    Metric(names.PRECISION_10, "share of the first 10 results that is relevant", HITS,
           lambda hits: precision(hits, 10)),
    Metric(names.NDCG_10, "discounted gain of the first 10 results over the best possible", HITS,
           lambda hits: ndcg(hits, 10), on_leaderboard=True),
    Metric(names.MRR, "1 / rank of the first relevant item among 100 results, else 0", HITS,
           lambda hits: reciprocal_rank(hits, 100)),
    # "Catalogue coverage" of Ge, Delgado-Battenfeld and Jannach, 2010, "Beyond accuracy: evaluating
    # recommender systems by coverage and serendipity".
    Derived(names.CATALOGUE_SIZE, "items that can be recommended", HITS, lambda users: users.catalogue_size),
    Derived(names.COVERAGE_10, "share of the catalogue in somebody's first 10", HITS, _coverage),
    Metric(names.NOVELTY_10, "mean -log2 of the share of train events, first 10 results, bits", SURPRISE,
           lambda results: novelty(results, 10)),
    Metric(names.RMSE, "root of the mean squared error of predicted ratings", ERRORS, mean_square,
           finish=np.sqrt, lower_is_better=True, on_leaderboard=True),
    Metric(names.MAE, "mean absolute error of predicted ratings", ERRORS, mean_absolute,
           lower_is_better=True, on_leaderboard=True),
    Metric(names.ANN_RECALL_10, "share of the exact search's first 10 that the index returns", INDEX,
           lambda results: ann_recall(results, 10)),
    _recall(names.POPULARITY_RECALL_10, _BY_POPULARITY, POPULAR, 10),
    _recall(names.POPULARITY_RECALL_20, _BY_POPULARITY, POPULAR, 20),
    _recall(names.POPULARITY_RECALL_100, _BY_POPULARITY, POPULAR, 100),
    Derived(names.RECALL_OVER_POPULARITY_10, "recall@10 over popularity_recall@10", POPULAR,
            _over_popularity),
    _recall(names.RECENT_POPULARITY_RECALL_10, _BY_RECENT, RECENT, 10),
    _recall(names.RECENT_POPULARITY_RECALL_20, _BY_RECENT, RECENT, 20),
    _recall(names.RECENT_POPULARITY_RECALL_100, _BY_RECENT, RECENT, 100),
    Metric(names.RECALL_MINUS_RECENT_POPULARITY_10, "recall@10 minus recent_popularity_recall@10",
           AGAINST_RECENT, lambda pair: recall(pair.first, 10) - recall(pair.second, 10)),
    _recall(names.COLD_RECALL_10, _IN_COLD, COLD, 10),
    _recall(names.COLD_RECALL_100, _IN_COLD, COLD, 100),
    Derived(names.USERS, "users with a relevant item", HITS, lambda all_: all_.weight(names.RECALL_10)),
    Derived(names.COLD_USERS, "users with a relevant item without a train event", COLD,
            lambda all_: all_.weight(names.COLD_RECALL_10)),
    _recall(names.OWN_RECALL_10, "a user's relevant test items, ranked alone,", OWN, 10, on_leaderboard=True),
    Metric(names.OWN_PRECISION_10, "share of the first 10 of a user's own test items that is relevant", OWN,
           lambda hits: precision(hits, 10), on_leaderboard=True),
)  # fmt: skip


def evaluated() -> dict[str, Metric | Derived]:
    """name -> metric, of those that the evaluator measures, in the order of metrics.json."""
    return {metric.name: metric for metric in METRICS if metric.reads in EVALUATED}


def on_leaderboard(*parts: str) -> dict[str, Metric]:
    """name -> metric, of those that a protocol shows that has `parts`, in the order of the table."""
    return {
        metric.name: metric
        for metric in METRICS
        if isinstance(metric, Metric) and metric.on_leaderboard and metric.reads in parts
    }


def find(name: str) -> Metric | Derived | None:
    return next((metric for metric in METRICS if metric.name == name), None)


def reads(name: str) -> str:
    """The part that a metric reads, "" if there is no such metric."""
    metric = find(name)
    return metric.reads if metric else ""


def lower_is_better(name: str) -> bool:
    metric = find(name)
    return isinstance(metric, Metric) and metric.lower_is_better


def finish(name: str, means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over users -> figures; the same where the registry has no such metric."""
    metric = find(name)
    return np.asarray(metric.finish(means) if isinstance(metric, Metric) else means)
