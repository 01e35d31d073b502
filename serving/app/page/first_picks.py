"""Well-known items of every kind, for somebody of whom nothing is known yet."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from serving.app.link.snapshot import Snapshot
from serving.app.results import Item

# Values of the taste column that take turns.
_TURNS = 12


def first_picks(snapshot: Snapshot, count: int, page: int = 0) -> list[Item]:
    """Items to pick from: the values of the taste column take turns, each with its most popular item.

    Args:
      snapshot: the version.
      count: how many.
      page: 0 for the best known, 1 for those after them, and so on.
    """
    catalogue = snapshot.catalogue
    taste = snapshot.taste_column
    # Rows are in the order of popularity.
    rows = [np.arange(len(catalogue))]
    if taste and catalogue.values.get(taste):
        rows = [at for _, at in itertools.islice(catalogue.values[taste].items(), _TURNS)]
    taken = itertools.islice(_in_turn(rows), page * count, (page + 1) * count)
    return [catalogue.item(row) for row in taken]


def _in_turn(groups: list[np.ndarray]) -> Iterator[int]:
    """One row of each group, again and again, none twice."""
    seen: set[int] = set()
    waiting = [iter(group.tolist()) for group in groups]
    while waiting:
        left = []
        for rows in waiting:
            row = next((row for row in rows if row not in seen), None)
            if row is not None:
                seen.add(row)
                left.append(rows)
                yield row
        waiting = left
