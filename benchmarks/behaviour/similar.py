"""Similar items: do neighbours share the audience, or only the genre?"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
import scipy.sparse as sp

import contract
from benchmarks.behaviour.asked import Asked
from benchmarks.behaviour.log import Log
from benchmarks.behaviour.measured import Ratios
from leaderboard.comparison import Comparison, compare
from leaderboard.split import Histories

NEIGHBOURS: Final = "similar"
MATCHED: Final = "as like by genre"
GENRES: Final = "same genres"
RANDOM: Final = "any items"
LIFT: Final = "lift in train"
LATER: Final = "lift of what came later"
METRICS: Final = (LIFT, LATER)
_K: Final = 10
_PAIRS_AT_ONCE: Final = 4096


@dataclasses.dataclass(frozen=True)
class Similar:
    """Co-rating lift of each anchor's ten items.

    Lift is the number of people who rated both items over the number to be expected if the two
    had nothing to do with one another. Both are summed over an anchor's ten, so that items with
    few ratings do not decide.

      LIFT   expected n_i n_j / U; in train, which the model was fitted on; mean over anchors.
      LATER  the anchor is in a test history, the other among the targets. Who has rated the
             other before cannot rate it again: expected is n_(i and not j) t_j / n_(not j), t_j
             being how many have j among the targets. Counts are small, so the sums are over
             anchors too.

    Attributes:
      anchors: items with at least `least` train ratings.
      lists: NEIGHBOURS (`similar`), MATCHED (`as_like`), GENRES and RANDOM (`drawn`) -> LIFT and
        LATER.
      ratings: the same -> mean train ratings of the items listed.
      least: see `measure`.
    """

    anchors: int
    lists: dict[str, Ratios]
    ratings: dict[str, float]
    least: int

    def above(self, other: str, metric: str) -> Comparison:
        return compare(metric, [self.lists[NEIGHBOURS]], [self.lists[other]], other, None)


def measure(asked: Asked, log: Log, least: int = 20, seed: int = 5) -> Similar:
    """
    Args:
      least: train ratings of an anchor.

    Raises:
      ValueError: fewer than two items have as many.
    """
    counts = log.rating_counts
    anchors = np.flatnonzero(counts >= least)
    if len(anchors) < 2:
        raise ValueError(f"{len(anchors)} items have {least} train ratings; similar items need two")
    rng = np.random.default_rng(seed)
    requests = [{contract.ITEM_ID: id_, contract.K: _K} for id_ in asked.names(anchors)]
    neighbours = asked.rows(asked.ask(contract.SIMILAR, requests)[contract.ITEM_IDS][:, :_K])
    genres = log.catalogue.genres
    none = np.zeros(len(counts))
    lists: dict[str, list[np.ndarray]] = {name: [] for name in (NEIGHBOURS, MATCHED, GENRES, RANDOM)}
    for anchor, near in zip(anchors.tolist(), neighbours, strict=True):
        likeness = genre_likeness(genres, anchor)
        lists[NEIGHBOURS].append(near)
        lists[MATCHED].append(as_like(anchor, near, likeness, counts, rng))
        lists[GENRES].append(drawn(anchor, likeness, counts, rng))
        lists[RANDOM].append(drawn(anchor, none, counts, rng))
    listed = {name: np.array(rows) for name, rows in lists.items()}
    size = log.catalogue.size
    train = _once(log.train, size)
    before, after = _once(log.queries.history, size), _once(log.targets, size)
    found = {}
    for name, rows in listed.items():
        together, expected = co_rated(train, anchors, rows)
        went_on, expected_to = went_on_to(before, after, anchors, rows)
        found[name] = Ratios(
            anchors,
            {LIFT: together / expected, LATER: went_on},
            {LIFT: np.ones(len(anchors)), LATER: expected_to},
        )
    ratings = {name: float(counts[rows[rows >= 0]].mean()) for name, rows in listed.items()}
    return Similar(len(anchors), found, ratings, least)


def genre_likeness(genres: sp.csr_matrix, item: int) -> np.ndarray:
    """float64[N]: genres shared over genres of either (Jaccard), 0 where neither has one."""
    sizes = np.asarray(genres.sum(axis=1)).ravel()
    shared = np.asarray((genres @ genres[[item]].T).todense()).ravel()
    return np.asarray(shared / np.maximum(sizes + sizes[item] - shared, 1), np.float64)


def as_like(
    item: int, neighbours: np.ndarray, likeness: np.ndarray, counts: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """int64[K]: for each neighbour a rated item of the same likeness, or the nearest left.

    Of equally near ones it is drawn in proportion to ratings, and may be the neighbour itself.
    Neighbours that are no better than their genres are no better than these.

    Args:
      neighbours: int[K], -1 past the end, where -1 is returned.
      likeness: float[N], to `item`.

    Raises:
      ValueError: fewer other items have a rating than there are neighbours.
    """
    clock = _clock(item, counts, len(neighbours), rng)
    found = np.full(len(neighbours), -1)
    free = np.isfinite(clock)
    for place in np.flatnonzero(neighbours >= 0):
        away = np.where(free, np.abs(likeness - likeness[neighbours[place]]), np.inf)
        nearest = away <= away.min() + 1e-9
        found[place] = np.argmin(np.where(nearest, clock, np.inf))
        free[found[place]] = False
    return found


def drawn(item: int, likeness: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int64[10]: rated items, the likest first; of equally like ones some drawn in proportion to ratings.

    Raises:
      ValueError: fewer than ten other items have a rating.
    """
    clock = _clock(item, counts, _K, rng)
    return np.lexsort((clock, np.where(np.isfinite(clock), -likeness, np.inf)))[:_K]


def _clock(item: int, counts: np.ndarray, least: int, rng: np.random.Generator) -> np.ndarray:
    """float64[N]: exponential clocks (Efraimidis and Spirakis 2006), of which the first to ring is taken.

    Infinite for `item` and for items without a rating.
    """
    able = counts > 0
    able[item] = False
    if able.sum() < least:
        raise ValueError(f"only {able.sum()} items beside {item} have a rating; expected {least} or more")
    return np.where(able, rng.exponential(size=len(counts)) / np.maximum(counts, 1), np.inf)


def co_rated(rated: sp.csc_matrix, anchors: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """People who rated an anchor and its listed items, and how many chance would make.

    Args:
      rated: float[U, N], 0 or 1.
      anchors: int[A].
      rows: int[A, K], -1 past the end.

    Returns:
      float64[A] each, sums over the list: of n_ij, and of n_i n_j / U.
    """
    anchor, left, right = _pairs(anchors, rows)
    counts = _counts(rated)
    return (
        np.bincount(anchor, _both(rated, rated, left, right), len(anchors)),
        np.bincount(anchor, counts[left] * counts[right] / rated.shape[0], len(anchors)),
    )


def went_on_to(
    before: sp.csc_matrix, after: sp.csc_matrix, anchors: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """People with an anchor in `before` and its listed items in `after`, and how many chance would make.

    Args:
      before, after: float[U, N], 0 or 1; nobody has an item in both.
      anchors: int[A].
      rows: int[A, K], -1 past the end.

    Returns:
      float64[A] each, sums over the list: of the number, and of n_(i and not j) t_j / n_(not j).
    """
    anchor, left, right = _pairs(anchors, rows)
    counts, then = _counts(before), _counts(after)
    free = before.shape[0] - counts[right]
    able = counts[left] - _both(before, before, left, right)
    expected = able * then[right] / np.maximum(free, 1)
    return (
        np.bincount(anchor, _both(before, after, left, right), len(anchors)),
        np.bincount(anchor, expected, len(anchors)),
    )


def _pairs(anchors: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int64[P] each: position of the anchor, its row, the listed item's row."""
    anchor, column = np.nonzero(rows >= 0)
    return anchor, anchors[anchor], rows[anchor, column]


def _both(given: sp.csc_matrix, then: sp.csc_matrix, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """float64[P]: rows with left[p] in `given` and right[p] in `then`."""
    parts = [slice(start, start + _PAIRS_AT_ONCE) for start in range(0, len(left), _PAIRS_AT_ONCE)]
    counts = [given[:, left[part]].multiply(then[:, right[part]]).sum(axis=0) for part in parts]
    return np.concatenate([np.asarray(count, np.float64).ravel() for count in counts])


def _counts(matrix: sp.csc_matrix) -> np.ndarray:
    return np.asarray(matrix.sum(axis=0), np.float64).ravel()


def _once(lists: Histories, items: int) -> sp.csc_matrix:
    """float32[lists, items]: 1 where a list has the item."""
    matrix = lists.matrix(items)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix.tocsc()
