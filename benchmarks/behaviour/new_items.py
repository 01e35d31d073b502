"""New items: where does content alone place an item for the people who went on to like it?"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

import contract
from benchmarks.behaviour.asked import Asked
from benchmarks.behaviour.log import Log
from benchmarks.behaviour.measured import Ratios
from leaderboard.comparison import Comparison, compare

OWN: Final = "as it is known"
COUNTED: Final = "content and number of ratings"
CONTENT: Final = "content: genres, year, tags"
NO_TAGS: Final = "genres and year"
POPULARITY: Final = "popularity"
CHANCE: Final = "chance"
# Share of the other items that score lower; ties count half.
PERCENTILE: Final = "percentile"
# The same where every other item is as new as this one.
AMONG_NEW: Final = "percentile among new ones"
IN_FIRST_100: Final = "in the first 100"
METRICS: Final = (PERCENTILE, AMONG_NEW, IN_FIRST_100)
_FIRST: Final = 100
# Equal vectors score alike but for the rounding of a cosine.
_TIE: Final = 1e-6


@dataclasses.dataclass(frozen=True)
class NewItems:
    """Relevant test pairs (person, item), means over pairs; the units of intervals are items.

    Each pair is one item made new, among items that stay as they are, or (AMONG_NEW) are all
    made new in the same way.

    Attributes:
      hidden: how the items that train knows are placed, by what is told of them: OWN, then
        COUNTED, CONTENT and NO_TAGS under an id that training never saw, the last two with no
        ratings; POPULARITY with no ratings.
      unrated: the same of items that really have no train rating; None if nobody liked one.
      refreshed: the same of items that came with a refresh, which the towers were not fitted with: OWN is
        then what the refresh made of them; None if nobody liked one.
      pairs: in `hidden`, in `unrated` and in `refreshed`.
    """

    hidden: dict[str, Ratios]
    unrated: dict[str, Ratios] | None
    refreshed: dict[str, Ratios] | None
    pairs: tuple[int, int, int]

    def above_popularity(self, metric: str) -> Comparison:
        return compare(metric, [self.hidden[CONTENT]], [self.hidden[POPULARITY]], POPULARITY, None)

    def above_chance(self, metric: str) -> Comparison:
        return compare(metric, [self.hidden[CONTENT]], [self.hidden[CHANCE]], CHANCE, None)

    def of_a_refresh(self, metric: str) -> Comparison | None:
        if self.refreshed is None:
            return None
        return compare(metric, [self.refreshed[OWN]], [self.refreshed[CONTENT]], CONTENT, None)


def measure(asked: Asked, log: Log, fitted: Collection[str]) -> NewItems:
    """
    Args:
      fitted: ids of the items that the towers were fitted with; others came with a refresh.

    Raises:
      ValueError: no relevant test item has a train rating.
    """
    everything = np.arange(log.catalogue.size)
    unknown = {contract.ITEM_ID: asked.unknown_id()}
    unrated = {**unknown, contract.RATING_COUNT: 0}
    vectors = {
        OWN: asked.items(everything),
        COUNTED: asked.items(everything, **unknown),
        CONTENT: asked.items(everything, **unrated),
        NO_TAGS: asked.items(everything, **unrated, **{contract.TAGS: []}),
    }
    placed = _placed(asked, log, vectors)
    groups = kinds(log.catalogue.ids, log.rating_counts, fitted)[:, log.relevant.rows]
    if not groups[0].any():
        raise ValueError("no relevant test item has a train rating; new items cannot be measured here")
    found = [_by_item(placed, log.relevant.rows, kept) if kept.any() else None for kept in groups]
    first, second, third = (int(kept.sum()) for kept in groups)
    assert found[0] is not None, "there are pairs of it"
    return NewItems(found[0], found[1], found[2], (first, second, third))


def kinds(ids: Sequence[str], counts: np.ndarray, fitted: Collection[str]) -> np.ndarray:
    """bool[3, N]: items with train ratings, without any, and those that the towers were not fitted with."""
    came, rated = ~np.isin(np.array(ids), list(fitted)), counts > 0
    return np.array([rated & ~came, ~rated & ~came, came])


def _placed(asked: Asked, log: Log, vectors: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """what is told -> metric -> float64[pairs].

    Args:
      vectors: what is told -> float32[N, D], the whole catalogue so.
    """
    size, history, relevant = log.catalogue.size, log.queries.history, log.relevant
    counts = log.rating_counts
    queries = asked.queries(asked.requests(log.queries))
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (*vectors, POPULARITY)}
    for i, query in enumerate(queries):
        others = np.ones(size, bool)
        others[history.rows[history.offsets[i] : history.offsets[i + 1]]] = False
        scores = {name: of_items @ query for name, of_items in vectors.items()}
        for row in relevant.rows[relevant.offsets[i] : relevant.offsets[i + 1]]:
            others[row] = False
            for name, of_items in scores.items():
                own = float(of_items[row])
                percentile, first = position(scores[OWN][others], own)
                found[name].append((percentile, position(of_items[others], own)[0], first))
            percentile, first = position(counts[others], 0)
            found[POPULARITY].append((percentile, 0.5, first))
            others[row] = True
    placed = {name: dict(zip(METRICS, np.array(values).T, strict=True)) for name, values in found.items()}
    chance = (0.5, 0.5, min(1.0, _FIRST / size))
    placed[CHANCE] = {
        metric: np.full(len(relevant.rows), value) for metric, value in zip(METRICS, chance, strict=True)
    }
    return placed


def position(others: np.ndarray, own: float) -> tuple[float, float]:
    """(share of `others` below `own`, ties half; chance to be among the first 100, ties in any order)."""
    above, tied = int((others > own + _TIE).sum()), int((np.abs(others - own) <= _TIE).sum())
    below = len(others) - above - tied
    first = np.clip((_FIRST - above) / (tied + 1), 0.0, 1.0)
    return (below + tied / 2) / max(1, len(others)), float(first)


def _by_item(
    placed: dict[str, dict[str, np.ndarray]], rows: np.ndarray, kept: np.ndarray
) -> dict[str, Ratios]:
    units, unit = np.unique(rows[kept], return_inverse=True)
    count = np.bincount(unit).astype(np.float64)
    return {
        name: Ratios(
            units,
            {metric: np.bincount(unit, values[kept]) for metric, values in metrics.items()},
            dict.fromkeys(metrics, count),
        )
        for name, metrics in placed.items()
    }
