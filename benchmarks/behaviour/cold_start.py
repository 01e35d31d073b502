"""New people: how good is a list for somebody of whom little is known?"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

import contract
from benchmarks.behaviour import measured
from benchmarks.behaviour.asked import Asked, Request
from benchmarks.behaviour.log import Log, liked
from leaderboard.comparison import Comparison, compare
from leaderboard.ranking import UserMetrics
from leaderboard.split import Catalogue, Histories

LIKES: Final = (1, 3, 5, 10)
TASTES: Final = 3
POPULARITY: Final = "popularity"
NOTHING: Final = "nothing"
GENRES: Final = f"{TASTES} genres"
EVERYTHING: Final = "whole history"
METRICS: Final = (measured.RECALL_10, measured.RECALL_20, measured.NDCG_10)


def newest(likes: int) -> str:
    return f"newest {likes} liked"


def favourites(likes: int) -> str:
    return f"any {likes} liked, no dates"


@dataclasses.dataclass(frozen=True)
class ColdStart:
    """The same people asked for with more and more known of them.

    Everything they have rated is kept out of every list, known to the model or not, so lists
    differ by what is known and by nothing else. `favourites` are what a newcomer names: drawn
    from all likes, with no time; `newest` are what a visitor has just liked.

    Attributes:
      users: how many: with max(LIKES) liked items or more in the history, and at most as
        many events as a request may exclude.
      known: what is known -> figures, popularity's first.
    """

    users: int
    known: dict[str, UserMetrics]

    def above_popularity(self, known: str, metric: str) -> Comparison:
        return compare(metric, [self.known[known]], [self.known[POPULARITY]], POPULARITY, None)

    def above(self, known: str, other: str, metric: str) -> Comparison:
        return compare(metric, [self.known[known]], [self.known[other]], other, None)


def measure(asked: Asked, log: Log, seed: int = 5) -> ColdStart:
    """
    Args:
      seed: of the draw of favourites.

    Raises:
      ValueError: nobody has as many liked items.
    """
    likes = liked(log.queries.history)
    lengths = log.queries.history.lengths
    users = np.flatnonzero((likes.lengths >= max(LIKES)) & (lengths <= asked.limits["max_exclude"]))
    if not len(users):
        raise ValueError(
            f"nobody in test has {max(LIKES)} liked items in a history of at most "
            f"{asked.limits['max_exclude']} events; cold start cannot be measured on this log"
        )
    queries, likes, relevant = log.queries.take(users), likes.take(users), log.relevant.take(users)
    whole = asked.requests(queries)
    none = queries.history.where(np.zeros(len(queries.history.rows), bool))

    def ask(history: Histories, tastes: list[Request] | None = None) -> UserMetrics:
        # Without the user's id: a model that knows people by it must not know these.
        cut = dataclasses.replace(queries, history=history, user_ids=("",) * len(queries))
        requests = asked.requests(cut)
        for request, of_whole in zip(requests, whole, strict=True):
            request[contract.EXCLUDE] = of_whole[contract.HISTORY_ITEM_IDS]
        if tastes:
            requests = [{**request, **given} for request, given in zip(requests, tastes, strict=True)]
        return measured.of_lists(asked.recommended(requests, measured.WIDTH), relevant)

    known = {POPULARITY: measured.popularity(queries.history, relevant), NOTHING: ask(none)}
    known[GENRES] = ask(none, tastes(likes, asked.catalogue))
    undated = dataclasses.replace(likes, timestamps=np.zeros_like(likes.timestamps))
    place = _drawn_order(likes, np.random.default_rng(seed))
    for count in LIKES:
        known[favourites(count)] = ask(undated.where(place < count))
    for count in LIKES:
        known[newest(count)] = ask(likes.where(likes.ages < count))
    known[EVERYTHING] = ask(queries.history)
    return ColdStart(len(users), known)


def tastes(likes: Histories, catalogue: Catalogue) -> list[Request]:
    """Each person's TASTES genres that most of the liked items have, weighted by how many do.

    Fewer where the liked items have fewer; equal counts in the order of the names.
    """
    counts = (likes.matrix(catalogue.size) @ catalogue.genres).toarray()
    strongest = np.argsort(-counts, axis=1, kind="stable")[:, :TASTES]
    found = []
    for row, columns in zip(counts, strongest, strict=True):
        kept = [column for column in columns if row[column] > 0]
        found.append(
            {
                contract.TASTE_GENRES: [catalogue.genre_names[column].encode() for column in kept],
                contract.TASTE_WEIGHTS: [float(row[column]) for column in kept],
            }
        )
    return found


def _drawn_order(lists: Histories, rng: np.random.Generator) -> np.ndarray:
    """int64[E]: each event's place, from 0, in an order of its list that is drawn."""
    order = np.lexsort((rng.random(len(lists.rows)), lists.owner))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(lists.offsets[:-1], lists.lengths)
    return place
