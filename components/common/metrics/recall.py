"""Recall@k: what the gates look at, and what early stopping watches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.common.metrics.hits import Hits


def recall(hits: Hits, k: int) -> NDArray[np.float64]:
    """|first k results that are relevant| / |relevant|, float64[U]; NaN without anything relevant.

    Divided by the number of relevant items, not by min(k, that number): with more than k relevant
    items even a perfect ranking stays below 1.
    """
    return hits.first(k) / np.where(hits.relevant > 0, hits.relevant, np.nan)
