"""What a recommendation is, in plain NumPy: no index, no graph, no batch."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Items:
    """In the model's row order."""

    ids: list[str]
    vectors: np.ndarray
    years: list[int]
    genres: list[set[str]]


def recommend(
    items: Items,
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
    scores = items.vectors @ query
    allowed = _allowed(items, seen, genres, year_min, year_max)
    ranked = sorted(allowed, key=lambda row: (-scores[row], row))
    if diversity > 0:
        ranked = _mmr(items.vectors, scores, ranked[: max(k, pool)], k, diversity)
    return [(items.ids[row], float(scores[row])) for row in ranked[:k]]


def popular(
    items: Items,
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
    ranked = _allowed(items, seen, genres, year_min, year_max)
    if diversity > 0:
        ranked = _mmr(items.vectors, shares / shares[0], ranked[: max(k, pool)], k, diversity)
    return [(items.ids[row], float(shares[row])) for row in ranked[:k]]


def _allowed(items: Items, seen: set[str], genres: set[str], year_min: int, year_max: int) -> list[int]:
    return [
        row
        for row, item in enumerate(items.ids)
        if item not in seen
        and (not genres or genres & items.genres[row])
        and (not year_min or items.years[row] >= year_min)
        and (not year_max or 0 < items.years[row] <= year_max)
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
