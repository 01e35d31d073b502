"""Names of the metrics: keys of metrics.json and of the gates in the config."""

from __future__ import annotations

from typing import Final

RECALL_10: Final = "recall@10"
RECALL_20: Final = "recall@20"
RECALL_100: Final = "recall@100"
PRECISION_10: Final = "precision@10"
NDCG_10: Final = "ndcg@10"
MRR: Final = "mrr"  # within the 100 results that `evaluate` returns
COVERAGE_10: Final = "coverage@10"
NOVELTY_10: Final = "novelty@10"  # bits
RMSE: Final = "rmse"  # stars
MAE: Final = "mae"  # stars
ANN_RECALL_10: Final = "ann_recall@10"
POPULARITY_RECALL_10: Final = "popularity_recall@10"
POPULARITY_RECALL_20: Final = "popularity_recall@20"
POPULARITY_RECALL_100: Final = "popularity_recall@100"
RECALL_OVER_POPULARITY_10: Final = "recall_over_popularity@10"
COLD_RECALL_10: Final = "cold_recall@10"  # relevant targets without a train rating
COLD_RECALL_100: Final = "cold_recall@100"
USERS: Final = "users"  # with a relevant target: what the means are over
COLD_USERS: Final = "cold_users"  # with a relevant cold target

# What exists only where the log has ratings.
RATING: Final = (RMSE, MAE)
# What exists only as long as there are events that the model was not fitted on.
COLD: Final = (COLD_RECALL_10, COLD_RECALL_100, COLD_USERS)

METRICS: Final = (
    RECALL_10,
    RECALL_20,
    RECALL_100,
    PRECISION_10,
    NDCG_10,
    MRR,
    COVERAGE_10,
    NOVELTY_10,
    RMSE,
    MAE,
    ANN_RECALL_10,
    POPULARITY_RECALL_10,
    POPULARITY_RECALL_20,
    POPULARITY_RECALL_100,
    RECALL_OVER_POPULARITY_10,
    COLD_RECALL_10,
    COLD_RECALL_100,
    USERS,
    COLD_USERS,
)
