"""Ranking and rating metrics as plain loops over ids, to test the vectorised ones against.

A ranking is a sequence of ids, best first, without repeats and without pads; `relevant` is the set
of ids that the user turned out to like. Every function that divides by a count returns NaN where
that count is zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from components.common.metrics import names

Id = bytes | str


def recall_at_k(ranked: Sequence[Id], relevant: Collection[Id], k: int) -> float:
    """|first k of ranked ∩ relevant| / |relevant|.

    Divided by the number of relevant items, not by min(k, that number): with
    more than k relevant items even a perfect ranking stays below 1.
    """
    wanted = set(relevant)
    if not wanted:
        return math.nan
    return len(wanted.intersection(ranked[:k])) / len(wanted)


def precision_at_k(ranked: Sequence[Id], relevant: Collection[Id], k: int) -> float:
    """|first k of ranked ∩ relevant| / k; a ranking shorter than k misses the rest."""
    if not relevant:
        return math.nan
    return len(set(relevant).intersection(ranked[:k])) / k


def ndcg_at_k(ranked: Sequence[Id], relevant: Collection[Id], k: int) -> float:
    """Normalised discounted cumulative gain with binary gains and log2 discounts.

    DCG = sum over hits at rank r (from 1) of 1 / log2(r + 1), divided by the DCG
    of a ranking that puts all relevant items first (Järvelin and Kekäläinen,
    2002, "Cumulated gain-based evaluation of IR techniques").
    """
    wanted = set(relevant)
    if not wanted:
        return math.nan
    gain = sum(1.0 / math.log2(rank + 1) for rank, id_ in enumerate(ranked[:k], 1) if id_ in wanted)
    ideal = sum(1.0 / math.log2(rank + 1) for rank in range(1, min(k, len(wanted)) + 1))
    return gain / ideal


def mrr(ranked: Sequence[Id], relevant: Collection[Id]) -> float:
    """Reciprocal rank of the first relevant item, 0 if the ranking holds none.

    Its mean over users is the mean reciprocal rank (Voorhees, 1999, "The TREC-8
    question answering track report").
    """
    wanted = set(relevant)
    if not wanted:
        return math.nan
    return next((1.0 / rank for rank, id_ in enumerate(ranked, 1) if id_ in wanted), 0.0)


def coverage(rankings: Iterable[Sequence[Id]], catalogue_size: int, k: int) -> float:
    """Share of the catalogue that appears in somebody's first k.

    "Catalogue coverage" of Ge, Delgado-Battenfeld and Jannach, 2010, "Beyond
    accuracy: evaluating recommender systems by coverage and serendipity".
    """
    if catalogue_size <= 0:
        return math.nan
    return len({id_ for ranked in rankings for id_ in ranked[:k]}) / catalogue_size


def novelty(self_information: ArrayLike, k: int) -> float:
    """Mean self-information -log2 p(item) of the first k results, in bits.

    p is the item's share of the train ratings (Zhou et al., 2010, "Solving the
    apparent diversity-accuracy dilemma of recommender systems").

    Args:
      self_information: float[results], best result first.
      k: how many results count.
    """
    values = np.asarray(self_information, np.float64)[:k]
    return float(values.mean()) if values.size else math.nan


def ann_recall(approximate: Sequence[Id], exact: Sequence[Id], k: int) -> float:
    """Share of the exact search's first k that the approximate search's first k holds.

    "Recall" of Aumüller, Bernhardsson and Faithfull, 2018, "ANN-Benchmarks".
    It says what the index loses, not how good the model is.
    """
    wanted = set(exact[:k])
    if not wanted:
        return math.nan
    return len(wanted.intersection(approximate[:k])) / len(wanted)


def rmse(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Root of the mean squared difference, in stars."""
    difference = np.asarray(predicted, np.float64) - np.asarray(actual, np.float64)
    return float(np.sqrt(np.mean(difference**2))) if difference.size else math.nan


def mae(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Mean absolute difference, in stars."""
    difference = np.asarray(predicted, np.float64) - np.asarray(actual, np.float64)
    return float(np.mean(np.abs(difference))) if difference.size else math.nan


# What each metric of the registry that reads HITS must be, of a user's ranking and relevant items.
OF_RANKING: Final[dict[str, Callable[[Sequence[Id], Collection[Id]], float]]] = {
    names.RECALL_10: lambda ranked, relevant: recall_at_k(ranked, relevant, 10),
    names.RECALL_20: lambda ranked, relevant: recall_at_k(ranked, relevant, 20),
    names.RECALL_100: lambda ranked, relevant: recall_at_k(ranked, relevant, 100),
    names.PRECISION_10: lambda ranked, relevant: precision_at_k(ranked, relevant, 10),
    names.NDCG_10: lambda ranked, relevant: ndcg_at_k(ranked, relevant, 10),
    names.MRR: lambda ranked, relevant: mrr(ranked[:100], relevant),
}
