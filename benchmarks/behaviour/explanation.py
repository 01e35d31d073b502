"""Explanations: does `explain` name the history items that the recommendation hangs on?

The definition is computed outside the graph: take every event of one history item out,
ask again, and see how much of the recommended item's score is gone, and how far down the
list it falls.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from scipy import stats

import contract
from benchmarks.behaviour.asked import Asked, Request
from benchmarks.behaviour.log import Log
from benchmarks.behaviour.measured import by_user
from leaderboard.comparison import Comparison, compare
from leaderboard.ranking import UserMetrics

FALL: Final = "doublings of the place"
NAMED: Final = "the item named first"
RANDOM: Final = "any other history item"
NEWEST: Final = "the newest other history item"
_ITEMS: Final = 3  # recommendations explained for each person
# What is asked outside the graph grows with the square of the history.
_MOST_EVENTS: Final = 300


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Agreement with leave-one-out over each person's first recommendations.

    Attributes:
      users, recommendations: how many.
      same_first: share whose first named item is leave-one-out's heaviest of the *whole* history.
      same_five: share of leave-one-out's heaviest items that are named.
      tau: Kendall's, of the named items' weights and leave-one-out's; mean.
      largest_error: of a weight, as a share of the largest weight by leave-one-out.
      within_reach: share of leave-one-out's absolute weight on items that `explain` looks at.
      fall: what is taken out -> FALL: log2 of the recommended item's new place over its old
        one, mean of a person's recommendations.
    """

    users: int
    recommendations: int
    same_first: float
    same_five: float
    tau: float
    largest_error: float
    within_reach: float
    fall: dict[str, UserMetrics]

    def falls_further(self, than: str) -> Comparison:
        return compare(FALL, [self.fall[NAMED]], [self.fall[than]], than, None)


def measure(asked: Asked, log: Log, people: int = 100, seed: int = 5) -> Explanation:
    """
    Args:
      people: at most so many, drawn.

    Raises:
      ValueError: nobody's history can be left out item by item.
    """
    distinct = np.array([len(np.unique(rows)) for rows in _split(log)])
    short = log.queries.history.lengths <= _MOST_EVENTS
    able = np.flatnonzero((distinct > 2) & short & (log.catalogue.size - distinct >= _ITEMS))
    if not len(able):
        raise ValueError(f"nobody in test has between 3 items and {_MOST_EVENTS} events in the history")
    users = np.random.default_rng(seed).choice(able, min(people, len(able)), replace=False)
    requests = asked.requests(log.queries.take(users))
    recommended = asked.recommended(requests, _ITEMS)
    answer = asked.ask(
        contract.EXPLAIN,
        [
            {**request, contract.ITEM_IDS: asked.names(rows)}
            for request, rows in zip(requests, recommended, strict=True)
        ],
    )
    items = asked.items(np.arange(log.catalogue.size))
    found = []
    for request, rows, names, weights in zip(
        requests, recommended, answer[contract.HISTORY_ITEM_IDS], answer[contract.WEIGHTS], strict=True
    ):
        honest = leave_one_out(asked, request, items, rows)
        found.append(
            [_agreement(asked, honest, place, names[place], weights[place]) for place in range(_ITEMS)]
        )
    table = {key: np.array([[case[key] for case in person] for person in found]) for key in found[0][0]}
    return Explanation(
        users=len(users),
        recommendations=table["first"].size,
        same_first=float(table["first"].mean()),
        same_five=float(table["five"].mean()),
        tau=float(table["tau"].mean()),
        largest_error=float(table["error"].max()),
        within_reach=float(table["reach"].mean()),
        fall={name: by_user({FALL: table[name].mean(axis=1)}) for name in (NAMED, RANDOM, NEWEST)},
    )


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Leave-one-out of one request, J different history items, newest first; M items explained.

    Attributes:
      ids: J ids.
      weights: float64[J, M], the score with the whole history less the score without the item.
      fall: float64[J, M], log2 of (place without / place with), places from 1 in the whole
        catalogue but the history.
    """

    ids: list[bytes]
    weights: np.ndarray
    fall: np.ndarray


def leave_one_out(asked: Asked, request: Request, items: np.ndarray, rows: np.ndarray) -> LeftOut:
    """The definition, with nothing of the graph's own shortcuts.

    Args:
      items: float32[N, D], the catalogue's vectors.
      rows: int[M], the items explained.
    """
    history = request[contract.HISTORY_ITEM_IDS]
    ids = list(dict.fromkeys(reversed(history)))
    versions = [request]
    for left_out in ids:
        kept = [i for i, id_ in enumerate(history) if id_ != left_out]
        versions.append(
            {**request, **{name: [request[name][i] for i in kept] for name in contract.HISTORY_FEATURES}}
        )
    scores = (asked.queries(versions) @ items.T).astype(np.float64)
    own = scores[:, rows]
    running = scores.copy()
    running[:, asked.rows(np.array(history, object))] = -np.inf
    places = 1 + np.stack([(running > own[:, [m]]).sum(axis=1) for m in range(len(rows))], axis=1)
    return LeftOut(ids, own[:1] - own[1:], np.log2(places[1:] / places[:1]))


def _agreement(
    asked: Asked,
    honest: LeftOut,
    place: int,
    names: np.ndarray,
    weights: np.ndarray,
) -> dict[str, float]:
    """One recommendation: what `explain` says, held against leave-one-out."""
    truth, fall = honest.weights[:, place], honest.fall[:, place]
    order = np.argsort(-truth, kind="stable")
    given = names != contract.PAD_ID
    named = [honest.ids.index(id_) for id_ in names[given]]
    others = np.setdiff1d(np.arange(len(truth)), named[:1])
    five = order[: len(named)]
    # A constant list has no order to agree with.
    tau = stats.kendalltau(weights[given], truth[named]).statistic if len(set(truth[named])) > 1 else 1.0
    reach = np.abs(truth)
    return {
        "first": float(named[0] == order[0]),
        "five": len(np.intersect1d(named, five)) / len(five),
        "tau": float(tau),
        "error": float(np.abs(weights[given] - truth[named]).max() / np.abs(truth).max()),
        "reach": float(reach[: asked.limits["explain_history"]].sum() / reach.sum()),
        NAMED: float(fall[named[0]]),
        RANDOM: float(fall[others].mean()),
        NEWEST: float(fall[others[0]]),
    }


def _split(log: Log) -> list[np.ndarray]:
    return np.split(log.queries.history.rows, log.queries.history.offsets[1:-1])
