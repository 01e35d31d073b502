"""Lists of events as flat arrays: what training and the leaderboard hold a split in."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Events:
    """Lists of one record after another ("flat").

    Attributes:
      rows: int32[E], catalogue rows.
      ratings: float32[E], stars.
      timestamps: int64[E], Unix seconds.
      offsets: int64[U + 1]: record u's events are offsets[u] to offsets[u + 1].
      profiles: int32[U], each record's row in the trainer's table of profiles; None: all 0.
    """

    rows: np.ndarray
    ratings: np.ndarray
    timestamps: np.ndarray
    offsets: np.ndarray
    profiles: np.ndarray | None = None
