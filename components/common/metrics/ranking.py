"""Further metrics of a ranking.

Each is float64[U], and NaN for a user without a relevant item, who has to be left out of the mean
rather than count as 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.common.metrics.hits import Hits


def precision(hits: Hits, k: int) -> NDArray[np.float64]:
    """|first k results that are relevant| / k; a ranking shorter than k misses the rest."""
    return np.where(hits.relevant > 0, hits.first(k) / k, np.nan)


def ndcg(hits: Hits, k: int) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain with binary gains and log2 discounts.

    DCG = sum over hits at rank r (from 1) of 1 / log2(r + 1), divided by the DCG of a ranking that
    puts all relevant items first (Järvelin and Kekäläinen, 2002, "Cumulated gain-based evaluation of
    IR techniques").
    """
    discounts = 1.0 / np.log2(np.arange(k) + 2.0)
    shown = hits.at[:, :k]
    ideal = np.concatenate([[np.nan], np.cumsum(discounts)])[np.minimum(hits.relevant, k)]
    return np.asarray(shown @ discounts[: shown.shape[1]] / ideal)


def reciprocal_rank(hits: Hits, k: int) -> NDArray[np.float64]:
    """1 / rank of the first relevant item, 0 if the first k results hold none.

    Its mean over users is the mean reciprocal rank (Voorhees, 1999, "The TREC-8 question answering
    track report").
    """
    shown = hits.at[:, :k]
    first = shown.argmax(axis=1) if shown.shape[1] else np.zeros(len(shown), np.int64)
    return np.where(hits.relevant > 0, np.where(shown.any(axis=1), 1.0 / (first + 1.0), 0.0), np.nan)
