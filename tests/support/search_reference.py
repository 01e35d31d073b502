"""What a recommendation is, in plain NumPy: no index, no graph, no batch."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Movies:
    """In the model's row order."""

    ids: list[str]
    vectors: np.ndarray
    years: list[int]
    genres: list[set[str]]


def recommend(
    movies: Movies,
    query: np.ndarray,
    seen: set[str],
    k: int,
    genres: set[str] = frozenset(),
    year_min: int = 0,
    year_max: int = 0,
    diversity: float = 0.0,
    pool: int = 200,
) -> list[tuple[str, float]]:
    """[(id, score)], best first; the lower row first among equals."""
    scores = movies.vectors @ query
    allowed = _allowed(movies, seen, genres, year_min, year_max)
    ranked = sorted(allowed, key=lambda row: (-scores[row], row))
    if diversity > 0:
        ranked = _mmr(movies.vectors, scores, ranked[: max(k, pool)], k, diversity)
    return [(movies.ids[row], float(scores[row])) for row in ranked[:k]]


def popular(
    movies: Movies,
    shares: np.ndarray,
    seen: set[str],
    k: int,
    genres: set[str] = frozenset(),
    year_min: int = 0,
    year_max: int = 0,
    diversity: float = 0.0,
    pool: int = 200,
) -> list[tuple[str, float]]:
    """[(id, share of the ratings)] for a request that says nothing: rows are the most rated first."""
    ranked = _allowed(movies, seen, genres, year_min, year_max)
    if diversity > 0:
        ranked = _mmr(movies.vectors, shares / shares[0], ranked[: max(k, pool)], k, diversity)
    return [(movies.ids[row], float(shares[row])) for row in ranked[:k]]


def _allowed(movies: Movies, seen: set[str], genres: set[str], year_min: int, year_max: int) -> list[int]:
    return [
        row
        for row, movie in enumerate(movies.ids)
        if movie not in seen
        and (not genres or genres & movies.genres[row])
        and (not year_min or movies.years[row] >= year_min)
        and (not year_max or 0 < movies.years[row] <= year_max)
    ]


def _mmr(vectors: np.ndarray, scores: np.ndarray, pool: list[int], k: int, diversity: float) -> list[int]:
    chosen: list[int] = []
    while pool and len(chosen) < k:
        redundancy = [max((vectors[row] @ vectors[other] for other in chosen), default=0.0) for row in pool]
        values = [
            (1 - diversity) * scores[row] - diversity * like
            for row, like in zip(pool, redundancy, strict=True)
        ]
        chosen.append(pool.pop(int(np.argmax(values))))
    return chosen
