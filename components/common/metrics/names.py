"""Names of the metrics that code asks for: keys of metrics.json and of the gates in the config.

All metrics that there are stand in `registry`, where a new one is added.
"""

from __future__ import annotations

from typing import Final

RECALL_10: Final = "recall@10"
RECALL_20: Final = "recall@20"
RECALL_100: Final = "recall@100"
PRECISION_10: Final = "precision@10"
NDCG_10: Final = "ndcg@10"
MRR: Final = "mrr"
COVERAGE_10: Final = "coverage@10"
NOVELTY_10: Final = "novelty@10"
RMSE: Final = "rmse"
MAE: Final = "mae"
ANN_RECALL_10: Final = "ann_recall@10"
CATALOGUE_SIZE: Final = "catalogue_size"
POPULARITY_RECALL_10: Final = "popularity_recall@10"
POPULARITY_RECALL_20: Final = "popularity_recall@20"
POPULARITY_RECALL_100: Final = "popularity_recall@100"
RECALL_OVER_POPULARITY_10: Final = "recall_over_popularity@10"
RECENT_POPULARITY_RECALL_10: Final = "recent_popularity_recall@10"
RECENT_POPULARITY_RECALL_20: Final = "recent_popularity_recall@20"
RECENT_POPULARITY_RECALL_100: Final = "recent_popularity_recall@100"
RECALL_MINUS_RECENT_POPULARITY_10: Final = "recall_minus_recent_popularity@10"
COLD_RECALL_10: Final = "cold_recall@10"
COLD_RECALL_100: Final = "cold_recall@100"
USERS: Final = "users"
COLD_USERS: Final = "cold_users"
OWN_RECALL_10: Final = "own_recall@10"
OWN_PRECISION_10: Final = "own_precision@10"
