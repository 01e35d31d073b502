"""How generated people choose: what both generated samples have in common.

Items lie in latent clusters and are chosen with a Zipf-Mandelbrot skew: rank r has
weight (r + q)^-s. A person's taste is a Dirichlet draw over clusters that moves from
an early taste to a late one, and interest comes in phases that favour one cluster.
Everything is drawn per block of users, so memory does not grow with the events.

N items, C clusters, E events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

import numpy as np

# Tuned so that popularity, item-kNN and EASE stand to each other about as on
# MovieLens's ml-latest-small.
_ZIPF_EXPONENT: Final = 1.0
_ZIPF_SHIFT: Final = 15.0
_TASTE_CONCENTRATION: Final = 2.0  # sum of the Dirichlet's parameters: a few clusters per person
_TASTE_KEPT: Final = 0.2  # share of the early taste in the late one
_PHASE_LENGTH: Final = 30  # events
_FROM_PHASE: Final = 0.5  # shares of the events that follow the phase,
_FROM_TASTE: Final = 0.1  # the taste of the moment, and (the rest) popularity

_FIRST_SECOND: Final = 1_420_070_400  # 2015-01-01 UTC
_LAST_SECOND: Final = 1_704_067_199  # 2023-12-31 UTC
_SEEN_CELLS: Final = 64_000_000  # users x items of one block: one byte each
_BLOCK_USERS: Final = 20_000


@dataclasses.dataclass(frozen=True)
class Stock:
    """Items to choose from.

    Attributes:
      cluster: int64[N].
      weight: float64[N], how often an item is chosen, sum 1.
      mass: float64[C], the sum of `weight` by cluster.
      by_cluster: int64[N], items in the order of their clusters.
      starts: int64[C + 1], where each cluster starts in `by_cluster`.
    """

    cluster: np.ndarray
    weight: np.ndarray
    mass: np.ndarray
    by_cluster: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, cluster: np.ndarray, clusters: int, weight: np.ndarray) -> Stock:
        by_cluster = np.argsort(cluster, kind="stable")
        return cls(
            cluster,
            weight,
            np.bincount(cluster, weights=weight, minlength=clusters),
            by_cluster,
            np.searchsorted(cluster[by_cluster], np.arange(clusters + 1)),
        )


def weights(rng: np.random.Generator, quality: np.ndarray) -> np.ndarray:
    """float64[N], sum 1: a random order of popularity, in which the better stand higher."""
    rank = rng.permutation(len(quality))
    weight = (rank + 1 + _ZIPF_SHIFT) ** -_ZIPF_EXPONENT * np.exp(0.5 * quality)
    return weight / weight.sum()


def counts(rng: np.random.Generator, users: int, items: int, events: int, least: int) -> np.ndarray:
    """int64[users]: events per user, log-normal above `least`, summing to `events`."""
    # Nobody has more than half the items, unless the request leaves no choice.
    most = min(items, max(items // 2, 2 * (events // users)))
    room = float(most - least)
    extra = events - least * users
    weight = rng.lognormal(0.0, 1.4, users)
    # Water-filling: who would pass `room` gets `room`, the others share the rest.
    order = np.argsort(weight)
    below = np.cumsum(weight[order])  # weight of the i lightest users
    full = np.arange(users)[::-1]  # how many are heavier
    scale = (extra - full * room) / below
    fits = scale * weight[order] <= room
    share = np.minimum(weight * (scale[np.flatnonzero(fits)[-1]] if fits.any() else np.inf), room)
    result = np.floor(share).astype(np.int64)
    # Rounding leaves less than one event per user; it goes where most was cut off.
    short = extra - int(result.sum())
    result[np.argsort(result - share, kind="stable")[:short]] += 1
    return least + result


def blocks(counts: np.ndarray, items: int) -> Iterator[tuple[int, np.ndarray]]:
    """(first user, counts of the block's users): bounded in users and in users x items."""
    size = min(_BLOCK_USERS, max(1, _SEEN_CELLS // items))
    for first in range(0, len(counts), size):
        yield first, counts[first : first + size]


def tastes(rng: np.random.Generator, mass: np.ndarray, users: int) -> tuple[np.ndarray, np.ndarray]:
    """Two float64[users, C] whose rows sum to 1: the taste at the start and at the end.

    Args:
      mass: float64[C], or [users, C]: how likely a cluster is, sum 1.
    """
    alpha = _TASTE_CONCENTRATION * mass

    def dirichlet() -> np.ndarray:
        gamma = rng.standard_gamma(alpha, (users, mass.shape[-1])) + 1e-9  # never all zero
        return gamma / gamma.sum(axis=1, keepdims=True)

    early = dirichlet()
    return early, _TASTE_KEPT * early + (1 - _TASTE_KEPT) * dirichlet()


def interests(
    rng: np.random.Generator,
    mass: np.ndarray,
    early: np.ndarray,
    late_taste: np.ndarray,
    user: np.ndarray,
    position: np.ndarray,
    late: np.ndarray,
) -> np.ndarray:
    """int64[E]: the cluster each event's item is to come from; `mass` as for `tastes`."""

    def from_taste(rows: np.ndarray) -> np.ndarray:
        return np.where(
            rng.random(len(rows)) < late[rows],
            _pick(rng, late_taste, user[rows]),
            _pick(rng, early, user[rows]),
        )

    new_phase = (position == 0) | (rng.random(len(user)) < 1 / _PHASE_LENGTH)
    phase = np.cumsum(new_phase) - 1
    of_phase = from_taste(np.flatnonzero(new_phase))[phase]
    of_taste = from_taste(np.arange(len(user)))
    if mass.ndim == 2:
        of_all = _pick(rng, mass, user)
    else:
        of_all = rng.choice(len(mass), len(user), p=mass / mass.sum())
    source = rng.random(len(user))
    return np.select([source < _FROM_PHASE, source < _FROM_PHASE + _FROM_TASTE], [of_phase, of_taste], of_all)


def _pick(rng: np.random.Generator, rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    """int64[len(row)]: a draw from the distribution `rows[row]` for each entry of `row`.

    One search in the rows' cumulative sums laid end to end, row i shifted by i.
    """
    width = rows.shape[1]
    ends = np.cumsum(rows, axis=1)
    ends /= ends[:, -1:]
    ends += np.arange(len(rows))[:, None]
    found = np.searchsorted(ends.ravel(), row + rng.random(len(row)), side="right")
    return np.clip(found - row * width, 0, width - 1)


def distinct_items(
    rng: np.random.Generator, stock: Stock, user: np.ndarray, cluster: np.ndarray
) -> np.ndarray:
    """int64[E]: an item of each event's cluster by weight, none twice for one user.

    Draws and rejects what the user has; after some rounds the draw is from the
    whole catalogue; who has nearly everything gets the rest by weighted sampling
    without replacement. `user` ascends.
    """
    count = len(stock.cluster)
    by_cluster, starts = stock.by_cluster, stock.starts
    ends = np.cumsum(stock.weight[by_cluster])
    before = np.concatenate(([0.0], ends))[starts]  # weight before each cluster's first item

    seen = np.zeros((user[-1] + 1) * count, bool)
    chosen = np.full(len(user), -1)
    unfilled = np.arange(len(user))
    for attempt in range(12):
        if attempt < 6:
            wanted = cluster[unfilled]
            low, high = before[wanted], before[wanted + 1]
            found = np.searchsorted(ends, low + (high - low) * rng.random(len(unfilled)), side="right")
            found = np.clip(found, starts[wanted], starts[wanted + 1] - 1)
        else:
            found = np.searchsorted(ends, ends[-1] * rng.random(len(unfilled)), side="right")
            found = np.minimum(found, count - 1)
        item = by_cluster[found]
        cell = user[unfilled] * count + item
        _, first = np.unique(cell, return_index=True)  # the earliest event keeps it
        first = first[~seen[cell[first]]]
        seen[cell[first]] = True
        chosen[unfilled[first]] = item[first]
        unfilled = unfilled[chosen[unfilled] < 0]
        if not len(unfilled):
            return chosen
    people, begin = np.unique(user[unfilled], return_index=True)
    for person, events in zip(people, np.split(unfilled, begin[1:]), strict=True):
        rest = np.flatnonzero(~seen[person * count : (person + 1) * count])
        # Exponential clocks (Efraimidis and Spirakis 2006): the first to ring.
        clock = rng.exponential(size=len(rest)) / stock.weight[rest]
        chosen[events] = rest[np.argsort(clock)[: len(events)]]
    return chosen


def seconds(rng: np.random.Generator, user: np.ndarray, position: np.ndarray) -> np.ndarray:
    """int64[E]: Unix times in bursts, ascending within a user."""
    users = int(user[-1]) + 1
    returning = rng.random(users) < 0.4  # most of MovieLens's people came on one day only
    gap = 2.0 + rng.exponential(12.0, len(user))
    visit = returning[user] & (rng.random(len(user)) < 1 / 25)
    gap += np.where(visit, rng.exponential(30.0 * 86_400, len(user)), 0.0)
    total = np.cumsum(np.where(position == 0, 0.0, gap))
    first = np.flatnonzero(position == 0)
    elapsed = total - total[first][user]
    span = elapsed[np.append(first[1:], len(user)) - 1]
    window = float(_LAST_SECOND - _FIRST_SECOND)
    elapsed *= np.minimum(1.0, window / np.maximum(span, 1.0))[user]
    begin = _FIRST_SECOND + rng.random(users) * np.maximum(window - span, 0.0)
    return np.floor(begin[user] + elapsed).astype(np.int64)
