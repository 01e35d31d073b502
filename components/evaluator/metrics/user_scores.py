"""One user's share of every metric, from one row of the `evaluate` signature.

A metric over users is a weighted mean, so a user is two vectors over
QUANTITIES: what the user adds to the sum, and with what weight. A user to whom
a quantity does not apply (no relevant target, no cold one) has weight 0 there,
which is not the same as a NaN that the model produced: that one survives into
the mean, where a gate refuses it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import contract
from components.evaluator.metrics import definitions, names

SQUARED_ERROR: Final = "squared_error"
ABSOLUTE_ERROR: Final = "absolute_error"

# Everything that is a mean: over users, or over ratings for the two errors.
QUANTITIES: Final = (
    names.RECALL_10,
    names.RECALL_20,
    names.RECALL_100,
    names.PRECISION_10,
    names.NDCG_10,
    names.MRR,
    names.POPULARITY_RECALL_10,
    names.POPULARITY_RECALL_20,
    names.POPULARITY_RECALL_100,
    names.COLD_RECALL_10,
    names.COLD_RECALL_100,
    names.NOVELTY_10,
    names.ANN_RECALL_10,
    SQUARED_ERROR,
    ABSOLUTE_ERROR,
)
INDEX: Final = {name: i for i, name in enumerate(QUANTITIES)}

# The outputs of `evaluate` that this module reads.
OUTPUTS: Final = (
    contract.ITEM_IDS,
    contract.EXACT_ITEM_IDS,
    contract.POPULAR_ITEM_IDS,
    contract.TARGET_ITEM_IDS,
    contract.TARGET_RATINGS,
    contract.PREDICTED_RATINGS,
    contract.ITEM_NOVELTY,
    contract.TARGET_COLD,
    contract.CATALOGUE_SIZE,
)


@dataclasses.dataclass(frozen=True)
class UserScores:
    """What one user adds to the totals.

    Attributes:
      sums: float64[Q], weight times value per quantity, 0 where the weight is 0.
      weights: float64[Q].
      shown: ids of the first 10 results, for coverage.
      catalogue_size: items that could have been shown.
    """

    sums: NDArray[np.float64]
    weights: NDArray[np.float64]
    shown: tuple[bytes, ...]
    catalogue_size: int

    def get(self, quantity: str) -> float | None:
        """The user's own mean of one quantity, None where it does not apply."""
        i = INDEX[quantity]
        return float(self.sums[i] / self.weights[i]) if self.weights[i] else None


def score_user(outputs: Mapping[str, Any]) -> UserScores:
    """Scores one row of `evaluate` (contract.SIGNATURES[EVALUATE]).

    Args:
      outputs: row of each tensor in OUTPUTS: ids bytes[K] or bytes[M] padded by
        PAD_ID, ratings float[M], novelty float[K], catalogue_size int.

    Raises:
      ValueError: an output is missing.
    """
    missing = [name for name in OUTPUTS if name not in outputs]
    if missing:
        raise ValueError(
            f"The `{contract.EVALUATE}` signature returned {sorted(outputs)}, which lacks {missing}; "
            "the model was exported for another version of contract/__init__.py: build it again."
        )
    item_ids = np.asarray(outputs[contract.ITEM_IDS])
    is_result = item_ids != contract.PAD_ID
    ranked = item_ids[is_result].tolist()
    exact = _ids(outputs[contract.EXACT_ITEM_IDS])
    popular = _ids(outputs[contract.POPULAR_ITEM_IDS])

    target_ids = np.asarray(outputs[contract.TARGET_ITEM_IDS])
    is_target = target_ids != contract.PAD_ID
    targets = target_ids[is_target]
    ratings = np.asarray(outputs[contract.TARGET_RATINGS], np.float64)[is_target]
    predicted = np.asarray(outputs[contract.PREDICTED_RATINGS], np.float64)[is_target]
    is_cold = np.asarray(outputs[contract.TARGET_COLD], np.float64)[is_target] == 1.0
    is_relevant = ratings >= contract.RELEVANT_RATING
    relevant = set(targets[is_relevant].tolist())
    relevant_cold = set(targets[is_relevant & is_cold].tolist())

    sums = np.zeros(len(QUANTITIES))
    weights = np.zeros(len(QUANTITIES))

    def put(quantity: str, value: float, weight: float = 1.0) -> None:
        sums[INDEX[quantity]] = value
        weights[INDEX[quantity]] = weight

    if relevant:
        put(names.RECALL_10, definitions.recall_at_k(ranked, relevant, 10))
        put(names.RECALL_20, definitions.recall_at_k(ranked, relevant, 20))
        put(names.RECALL_100, definitions.recall_at_k(ranked, relevant, 100))
        put(names.PRECISION_10, definitions.precision_at_k(ranked, relevant, 10))
        put(names.NDCG_10, definitions.ndcg_at_k(ranked, relevant, 10))
        put(names.MRR, definitions.mrr(ranked, relevant))
        put(names.POPULARITY_RECALL_10, definitions.recall_at_k(popular, relevant, 10))
        put(names.POPULARITY_RECALL_20, definitions.recall_at_k(popular, relevant, 20))
        put(names.POPULARITY_RECALL_100, definitions.recall_at_k(popular, relevant, 100))
    if relevant_cold:
        put(names.COLD_RECALL_10, definitions.recall_at_k(ranked, relevant_cold, 10))
        put(names.COLD_RECALL_100, definitions.recall_at_k(ranked, relevant_cold, 100))
    if ranked:
        bits = np.asarray(outputs[contract.ITEM_NOVELTY], np.float64)[is_result]
        put(names.NOVELTY_10, definitions.novelty(bits, 10))
    if exact:
        put(names.ANN_RECALL_10, definitions.ann_recall(ranked, exact, 10))
    # 0 stars is the contract's answer for an item that the model does not know.
    is_rated = predicted != contract.PAD_SCORE
    error = predicted[is_rated] - ratings[is_rated]
    if error.size:
        put(SQUARED_ERROR, float(np.sum(error**2)), error.size)
        put(ABSOLUTE_ERROR, float(np.sum(np.abs(error))), error.size)

    return UserScores(
        sums=sums,
        weights=weights,
        shown=tuple(ranked[:10]),
        catalogue_size=int(np.asarray(outputs[contract.CATALOGUE_SIZE]).reshape(-1)[0]),
    )


def _ids(padded: Any) -> list[bytes]:
    values = np.asarray(padded)
    ids: list[bytes] = values[values != contract.PAD_ID].tolist()
    return ids
