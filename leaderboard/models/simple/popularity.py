"""Popularity: of all time, fading with time, and in the genres of the history."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from leaderboard.model import Model
from leaderboard.split import Queries, Split

_DAY = 86_400.0


@dataclasses.dataclass
class Popularity(Model):
    """Number of train ratings; the same list for every query."""

    NAME: ClassVar[str] = "popularity"

    def fit(self, split: Split) -> None:
        self.counts: np.ndarray = np.bincount(split.train.rows, minlength=split.catalogue.size)

    def score_many(self, queries: Queries) -> np.ndarray:
        return np.broadcast_to(self.counts, (len(queries), len(self.counts)))

    @property
    def parameters(self) -> int:
        return len(self.counts)


@dataclasses.dataclass
class DecayedPopularity(Popularity):
    """Train ratings, a rating's weight halving with every `half_life_days` before the last one."""

    half_life_days: float = 365.0

    NAME: ClassVar[str] = "decayed_popularity"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "half_life_days": (365.0, 30.0, 90.0, 180.0, 730.0, 1460.0, 2920.0, 5840.0)
    }

    def fit(self, split: Split) -> None:
        train = split.train
        days = (train.timestamps.max(initial=0) - train.timestamps) / _DAY
        weights = np.exp2(-days / self.half_life_days)
        self.counts = np.bincount(train.rows, weights, split.catalogue.size)


@dataclasses.dataclass
class TopPerGenre(Popularity):
    """Popularity^power x the share of the history that the item's genres have in it.

    With power 1 that is each genre's own top list, mixed as the person watches genres.
    """

    power: float = 1.0

    NAME: ClassVar[str] = "top_per_genre"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {"power": (1.0, 0.25, 0.5, 0.75, 1.5, 2.0, 3.0, 4.0)}

    def fit(self, split: Split) -> None:
        super().fit(split)
        self._genres = split.catalogue.genres

    def score_many(self, queries: Queries) -> np.ndarray:
        watched = queries.history.matrix(len(self.counts)) @ self._genres
        share = np.asarray((watched @ self._genres.T).todense())
        total = np.asarray(watched.sum(axis=1)).ravel()
        share = share / np.maximum(total, 1.0)[:, None]
        # An item without genres, or in a catalogue without any, falls back on popularity alone.
        return self.counts**self.power * (share + 1e-6)
