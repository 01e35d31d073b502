"""Item features as the towers read them.

One structure for both ways in: rows gathered from the catalogue (training,
index) and single items from a request (`embed_item`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class ItemFeatures(NamedTuple):
    """Transformed features of n items.

    Attributes:
      item_index: int32[n], row of the item vocabulary; its size if unknown.
      popularity_scaled: float32[n], z-score of log(1 + rating_count).
      content: by the contract's names. `indices` int32[n, L] padded with -1,
        `weights` float32[n, L] padded with 0, `scaled` and `known` float32[n].
    """

    item_index: tf.Tensor
    popularity_scaled: tf.Tensor
    content: Mapping[str, tf.Tensor]

    def gather(self, rows: tf.Tensor) -> ItemFeatures:
        """Features of the items at `rows` (int[n])."""
        return self.map(lambda feature: tf.gather(feature, rows))

    def map(self, function: Callable[..., Any], *others: ItemFeatures) -> ItemFeatures:
        """`function` of each feature, and of the same one of `others`."""
        parts = (self, *others)
        return ItemFeatures(
            function(*(part.item_index for part in parts)),
            function(*(part.popularity_scaled for part in parts)),
            {name: function(*(part.content[name] for part in parts)) for name in self.content},
        )


class Popularity(NamedTuple):
    """How popularity enters the tower, and how it changes when one rating is taken out.

    popularity_scaled = (log(1 + count) - mean) / std, as Transform fitted it.
    """

    mean: float
    std: float

    def scale(self, count: tf.Tensor) -> tf.Tensor:
        return (tf.math.log1p(tf.maximum(count, 0.0)) - self.mean) / self.std

    @classmethod
    def recover(cls, count: np.ndarray, scaled: np.ndarray) -> Popularity:
        """The affine map that took `log1p(count)` to `scaled`, both [N].

        Reading it back from the pairs keeps Transform the only place that
        defines the scaling. A constant column means scaling is the zero map.
        """
        logs = np.log1p(count.astype(np.float64))
        low, high = int(np.argmin(logs)), int(np.argmax(logs))
        if logs[high] == logs[low] or scaled[high] == scaled[low]:
            return cls(float(logs[low]), 1.0)
        std = (logs[high] - logs[low]) / (float(scaled[high]) - float(scaled[low]))
        return cls(float(logs[low] - std * float(scaled[low])), float(std))


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """All N items, as arrays in one order ("rows").

    Attributes:
      features: transformed features, N rows each.
      genres: float32[N, G + 1], multi-hot, of whatever feature tastes are in (the last
        column: an unknown value).
      rating_count: float32[N], train ratings.
      rating_sum: float32[N], stars; weights where the log has no ratings, which nothing reads.
      popularity: how popularity_scaled follows from a count.
    """

    features: ItemFeatures
    genres: np.ndarray
    rating_count: np.ndarray
    rating_sum: np.ndarray
    popularity: Popularity

    @property
    def size(self) -> int:
        return len(self.rating_count)
