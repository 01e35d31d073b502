"""One user's share of every metric, from one row of the `evaluate` signature.

A metric is a weighted mean over users, so a user adds a value and its weight. A user to whom a
metric does not apply (no relevant target, no cold one) has weight 0 there, which is not the same as
a NaN that the model produced: that one survives into the mean, where a gate refuses it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import contract
from components.common.metrics import registry
from components.common.metrics.agreement import Agreement
from components.common.metrics.errors import Errors
from components.common.metrics.hits import Hits, HitsPair
from components.common.metrics.novelty import SelfInformation

# The outputs of `evaluate` that this module reads; without ratings their weights.
_OUTPUTS: Final = (
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


def missing(outputs: Collection[str], implicit: bool) -> list[str]:
    """What of that an `evaluate` signature lacks, of a log with ratings, or (`implicit`) without."""
    return [name for read in _OUTPUTS if (name := contract.of_feedback(read, implicit)) not in outputs]


@dataclasses.dataclass(frozen=True)
class UserScores:
    """What one user adds to the totals.

    Attributes:
      values: metric -> the user's own mean, where it applies to the user.
      weights: metric -> its weight in the mean over users, of the same metrics.
      shown: ids of the first 10 results, for coverage.
      catalogue_size: items that could have been shown.
    """

    values: dict[str, float]
    weights: dict[str, float]
    shown: tuple[bytes, ...]
    catalogue_size: int

    def get(self, metric: str) -> float | None:
        """The user's own mean of one metric, None where it does not apply."""
        return self.values.get(metric)


def score_user(outputs: Mapping[str, Any], recent_ranks: NDArray[np.int64] | None = None) -> UserScores:
    """Scores one row of `evaluate` (contract.SIGNATURES[EVALUATE]).

    Args:
      outputs: row of each tensor that `missing` knows: ids bytes[K] or bytes[M] padded by
        PAD_ID, ratings float[M], novelty float[K], catalogue_size int.
      recent_ranks: int64[targets], where recent popularity ranks each (`recent_popularity.ranks`); None:
        the log has no such baseline, and what reads it does not apply to anybody.

    Raises:
      ValueError: an output is missing.
    """
    weighted = contract.TARGET_WEIGHTS in outputs
    if lacking := missing(outputs, weighted):
        raise ValueError(
            f"The `{contract.EVALUATE}` signature returned {sorted(outputs)}, which lacks {lacking}; "
            "the model was exported for another version of the package `contract`: build it again."
        )
    results = _results(outputs, weighted, recent_ranks)
    part_weights = {name: float(part.weights[0]) for name, part in results.items()}
    values, weights = {}, {}
    for name, metric in registry.evaluated().items():
        if isinstance(metric, registry.Metric) and part_weights.get(metric.reads):
            values[name] = float(metric.of_users(results[metric.reads])[0])
            weights[name] = part_weights[metric.reads]
    return UserScores(
        values=values,
        weights=weights,
        shown=tuple(_ids(outputs[contract.ITEM_IDS])[:10]),
        catalogue_size=int(np.asarray(outputs[contract.CATALOGUE_SIZE]).reshape(-1)[0]),
    )


def _results(
    outputs: Mapping[str, Any], weighted: bool, recent_ranks: NDArray[np.int64] | None
) -> dict[str, registry.Part]:
    """registry.EVALUATED of one user, whose events have weights or ratings."""
    item_ids = np.asarray(outputs[contract.ITEM_IDS])
    ranked = _ids(item_ids)
    bits = np.asarray(outputs[contract.ITEM_NOVELTY], np.float64)[item_ids != contract.PAD_ID]

    target_ids = np.asarray(outputs[contract.TARGET_ITEM_IDS])
    is_target = target_ids != contract.PAD_ID
    targets = target_ids[is_target]
    values = outputs[contract.of_feedback(contract.TARGET_RATINGS, weighted)]
    ratings = np.asarray(contract.rating_of_weight(values) if weighted else values, np.float64)[is_target]
    predicted = np.asarray(outputs[contract.PREDICTED_RATINGS], np.float64)[is_target]
    is_cold = np.asarray(outputs[contract.TARGET_COLD], np.float64)[is_target] == 1.0
    is_relevant = ratings >= contract.RELEVANT_RATING
    relevant = targets[is_relevant].tolist()
    # 0 stars is the contract's answer for an item that the model does not know.
    difference = (predicted - ratings)[predicted != contract.PAD_SCORE]
    results: dict[str, registry.Part] = {
        registry.HITS: (hits := Hits.of_list(ranked, relevant)),
        registry.POPULAR: Hits.of_list(_ids(outputs[contract.POPULAR_ITEM_IDS]), relevant),
        registry.COLD: Hits.of_list(ranked, targets[is_relevant & is_cold].tolist()),
        registry.INDEX: Agreement([ranked], [_ids(outputs[contract.EXACT_ITEM_IDS])]),
        registry.SURPRISE: SelfInformation([bits]),
        registry.ERRORS: Errors(difference, np.zeros(difference.size, np.int64), 1),
    }
    if recent_ranks is not None:
        if recent_ranks.size != targets.size:
            raise ValueError(
                f"recent popularity ranks {recent_ranks.size} targets, but the record has {targets.size}: "
                "expected those of the same examples; run the evaluator again"
            )
        # By item, as a repeated one counts once.
        rank_of = dict(zip(relevant, recent_ranks[is_relevant].tolist(), strict=True))
        distinct = np.fromiter(rank_of.values(), np.int64, len(rank_of))
        recent = Hits.of_ranks(distinct, np.zeros(distinct.size, np.int64), 1, contract.EVALUATE_K)
        results |= {registry.RECENT: recent, registry.AGAINST_RECENT: HitsPair(hits, recent)}
    return results


def _ids(padded: Any) -> list[bytes]:
    values = np.asarray(padded)
    ids: list[bytes] = values[values != contract.PAD_ID].tolist()
    return ids
