"""New movies: where does content alone place a movie for the people who went on to like it?"""

from __future__ import annotations

import dataclasses
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
# Share of the other movies that score lower; ties count half.
PERCENTILE: Final = "percentile"
# The same where every other movie is as new as this one.
AMONG_NEW: Final = "percentile among new ones"
IN_FIRST_100: Final = "in the first 100"
METRICS: Final = (PERCENTILE, AMONG_NEW, IN_FIRST_100)
_FIRST: Final = 100
# Equal vectors score alike but for the rounding of a cosine.
_TIE: Final = 1e-6


@dataclasses.dataclass(frozen=True)
class NewMovies:
    """Relevant test pairs (person, movie), means over pairs; the units of intervals are movies.

    Each pair is one movie made new, among movies that stay as they are, or (AMONG_NEW) are all
    made new in the same way.

    Attributes:
      hidden: how the movies that train knows are placed, by what is told of them: OWN, then
        COUNTED, CONTENT and NO_TAGS under an id that training never saw, the last two with no
        ratings; POPULARITY with no ratings.
      unrated: the same of movies that really have no train rating; None if nobody liked one.
      pairs: in `hidden` and in `unrated`.
    """

    hidden: dict[str, Ratios]
    unrated: dict[str, Ratios] | None
    pairs: tuple[int, int]

    def above_popularity(self, metric: str) -> Comparison:
        return compare(metric, [self.hidden[CONTENT]], [self.hidden[POPULARITY]], POPULARITY, None)

    def above_chance(self, metric: str) -> Comparison:
        return compare(metric, [self.hidden[CONTENT]], [self.hidden[CHANCE]], CHANCE, None)


def measure(asked: Asked, log: Log) -> NewMovies:
    """
    Raises:
      ValueError: no relevant test movie has a train rating.
    """
    everything = np.arange(log.catalogue.size)
    unknown = {contract.MOVIE_ID: asked.unknown_id()}
    unrated = {**unknown, contract.RATING_COUNT: 0}
    vectors = {
        OWN: asked.movies(everything),
        COUNTED: asked.movies(everything, **unknown),
        CONTENT: asked.movies(everything, **unrated),
        NO_TAGS: asked.movies(everything, **unrated, **{contract.TAGS: []}),
    }
    placed = _placed(asked, log, vectors)
    rated = log.rating_counts[log.relevant.rows] > 0
    if not rated.any():
        raise ValueError("no relevant test movie has a train rating; new movies cannot be measured here")
    return NewMovies(
        _by_movie(placed, log.relevant.rows, rated),
        _by_movie(placed, log.relevant.rows, ~rated) if not rated.all() else None,
        (int(rated.sum()), int((~rated).sum())),
    )


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
        scores = {name: of_movies @ query for name, of_movies in vectors.items()}
        for row in relevant.rows[relevant.offsets[i] : relevant.offsets[i + 1]]:
            others[row] = False
            for name, of_movies in scores.items():
                own = float(of_movies[row])
                percentile, first = position(scores[OWN][others], own)
                found[name].append((percentile, position(of_movies[others], own)[0], first))
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


def _by_movie(
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
