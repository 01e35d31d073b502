"""What a recommendation is, in plain NumPy: no index, no graph, no batch."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import numpy as np

TOLERANCE = 1e-5  # of scores


def same_ranking(got: list[tuple[Any, float]], wanted: list[tuple[Any, float]]) -> None:
    """Same length and scores; same items except where scores are as good as equal."""
    assert len(got) == len(wanted)
    np.testing.assert_allclose([s for _, s in got], [s for _, s in wanted], atol=TOLERANCE)
    scores = dict(got)
    for item, score in wanted:
        if item not in scores:  # a tie at the last place
            assert abs(score - got[-1][1]) < TOLERANCE


@dataclasses.dataclass(frozen=True)
class Items:
    """In the model's row order."""

    ids: list[str]
    vectors: np.ndarray
    years: list[int]
    genres: list[set[str]]


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What a request says of the items it wants, beyond `k`."""

    genres: frozenset[str] = frozenset()
    not_genres: frozenset[str] = frozenset()
    year_min: int = 0
    year_max: int = 0
    diversity: float = 0.0
    pool: int = 200
    candidates: frozenset[str] | None = None
    boosts: dict[str, float] = dataclasses.field(default_factory=dict)
    per_genre: int = 0


def recommend(
    items: Items, query: np.ndarray, seen: set[str], k: int, **wishes: Any
) -> list[tuple[str, float]]:
    """[(id, score)], best first; the lower row first among equals."""
    return _ranked(items, items.vectors @ query, 1.0, seen, k, Wishes(**wishes))


def popular(
    items: Items, shares: np.ndarray, seen: set[str], k: int, **wishes: Any
) -> list[tuple[str, float]]:
    """[(id, share of the ratings)] for a request that says nothing: rows are the most rated first."""
    return _ranked(items, shares, shares[0], seen, k, Wishes(**wishes))


def _ranked(
    items: Items, scores: np.ndarray, scale: float, seen: set[str], k: int, wishes: Wishes
) -> list[tuple[str, float]]:
    scores = scores + [scale * wishes.boosts.get(item, 0.0) for item in items.ids]
    ranked = sorted(_allowed(items, seen, wishes), key=lambda row: (-scores[row], row))
    if wishes.per_genre:
        ranked = _capped(items, ranked, wishes.per_genre)
    if wishes.diversity > 0:
        ranked = _mmr(items.vectors, scores / scale, ranked[: max(k, wishes.pool)], k, wishes.diversity)
    return [(items.ids[row], float(scores[row])) for row in ranked[:k]]


def _allowed(items: Items, seen: set[str], wishes: Wishes) -> list[int]:
    return [
        row
        for row, item in enumerate(items.ids)
        if item not in seen
        and (wishes.candidates is None or item in wishes.candidates)
        and (not wishes.genres or wishes.genres & items.genres[row])
        and not wishes.not_genres & items.genres[row]
        and (not wishes.year_min or items.years[row] >= wishes.year_min)
        and (not wishes.year_max or 0 < items.years[row] <= wishes.year_max)
    ]


def _capped(items: Items, ranked: list[int], most: int) -> list[int]:
    taken: collections.Counter[str] = collections.Counter()
    chosen = []
    for row in ranked:
        if all(taken[genre] < most for genre in items.genres[row]):
            chosen.append(row)
            taken.update(items.genres[row])
    return chosen


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
