"""The items in two dimensions, for people to look at: near each other what the model holds for alike."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

import numpy as np
import pyarrow as pa

import contract

_log = logging.getLogger(__name__)

# Neighbours that an item weighs. Two thirds of openTSNE's default: local groups stay, and it costs less.
_PERPLEXITY: Final = 20
_SEED: Final = 0
# With fewer items there are no neighbourhoods to keep: the two principal components show all there is.
_FEWEST: Final = 4 * _PERPLEXITY
# Iterations with exaggerated attraction, and without: the layout of 10,000 items moves little after these.
_EARLY, _LATE = 100, 250
# An axis is scaled to its central 98 %, so that one stray item does not press all others together.
_CENTRAL: Final = (1.0, 99.0)


def item_map(ids: pa.ChunkedArray, embeddings: np.ndarray, limit: int) -> pa.Table:
    """Coordinates of the first items, which are the most rated.

    t-SNE (van der Maaten and Hinton 2008) from the principal components, which keep the
    large structure (Kobak and Berens 2019). The same embeddings give the same map.

    Args:
      ids: N of them, most rated first.
      embeddings: float32[N, D], unit vectors: near by angle is near by distance.
      limit: most items on the map; 0 for none.

    Returns:
      contract.ITEM_ID, MAP_X and MAP_Y (float, most within -1 to 1), at most `limit` rows.
    """
    started = time.monotonic()
    vectors = np.asarray(embeddings[:limit], dtype=np.float64)
    places = _spread(vectors) if len(vectors) < _FEWEST else _neighbourhoods(vectors)
    if len(places):
        low, high = np.percentile(places, _CENTRAL, axis=0)
        width = max(float((high - low).max()), 1e-12)  # one scale for both: distances stay comparable
        places = 2.0 * (places - (low + high) / 2.0) / width
    _log.info("map of %d items in %.1f s", len(places), time.monotonic() - started)
    return pa.table(
        {
            contract.ITEM_ID: ids.slice(0, limit),
            contract.MAP_X: pa.array(places[:, 0].astype(np.float32)),
            contract.MAP_Y: pa.array(places[:, 1].astype(np.float32)),
        }
    )


def _spread(vectors: np.ndarray) -> np.ndarray:
    """float64[n, 2]: the two directions in which the vectors differ most."""
    places = np.zeros((len(vectors), 2))
    if len(vectors) > 1:
        left, values, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
        kept = min(2, len(values))
        # An axis may point either way; the largest entry points right, or up.
        signs = np.sign(left[np.abs(left[:, :kept]).argmax(axis=0), np.arange(kept)])
        places[:, :kept] = left[:, :kept] * values[:kept] * signs
    return places


def _neighbourhoods(vectors: np.ndarray) -> np.ndarray:
    import openTSNE

    # 1e-4 is the spread from which t-SNE starts best, as openTSNE's own initialisations have it.
    start = _spread(vectors)
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-12)
    layout: Any = openTSNE.TSNE(
        perplexity=_PERPLEXITY,
        initialization=start,
        early_exaggeration_iter=_EARLY,
        n_iter=_LATE,
        random_state=_SEED,
        n_jobs=1,  # threads add in no fixed order, and the map would not repeat
    ).fit(vectors)
    return np.asarray(layout)
