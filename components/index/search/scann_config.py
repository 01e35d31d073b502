"""ScaNN's parameters, derived from the size of the catalogue."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

# ScaNN learns 16 codes per block from the catalogue itself: with fewer points
# than codes it fails. `IndexParams.exact_below` is never smaller.
MIN_ITEMS: Final = 16
# With a single leaf every query answers row 0.
_MIN_LEAVES: Final = 2
# From one number of leaves to search to the next: a search takes about as much longer.
_LEAF_STEP: Final = 1.1
# The leaves searched hold at least so many times the neighbours that are asked
# for; with fewer, the answer would come up short or poor.
_HEADROOM: Final = 2


@dataclasses.dataclass(frozen=True)
class ScannConfig:
    """How a catalogue of N items is partitioned and quantised.

    The rules of thumb are those of ScaNN's own guide (docs/algorithms.md):
    about sqrt(N) leaves, anisotropic quantisation with a threshold of 0.2 for
    dot products of unit vectors (Guo et al. 2020, "Accelerating Large-Scale
    Inference with Anisotropic Vector Quantization"), two dimensions per code,
    exact rescoring of a few times as many neighbours as are asked for.

    Attributes:
      items: N.
      num_leaves: partitions.
      num_leaves_to_search: partitions that a query looks into, at the least.
      dimensions_per_block: dimensions that share one code.
      anisotropic_quantization_threshold: how much an error along the vector
        weighs more than one across it.
      min_reordering: neighbours rescored exactly at the least.
      reordering_factor: neighbours rescored per neighbour asked for.
      training_iterations: of k-means, for the leaves and for the codes.
      training_sample: most items that k-means learns from.
    """

    items: int
    num_leaves: int
    num_leaves_to_search: int
    dimensions_per_block: int = 2
    anisotropic_quantization_threshold: float = 0.2
    min_reordering: int = 200
    reordering_factor: int = 4
    training_iterations: int = 12
    training_sample: int = 100_000

    @property
    def max_neighbours(self) -> int:
        """Most neighbours worth asking for; a row that needs more is searched exactly."""
        return max(1, self.items // _HEADROOM)

    def leaves_for(self, neighbours: int) -> int:
        """Partitions to look into for so many neighbours."""
        enough = math.ceil(_HEADROOM * neighbours * self.num_leaves / self.items)
        return min(self.num_leaves, max(self.num_leaves_to_search, enough))


def scann_config(items: int) -> ScannConfig:
    """The configuration for N items, with the smallest number of leaves to search.

    Raises:
      ValueError: fewer than MIN_ITEMS; search such a catalogue exactly.
    """
    if items < MIN_ITEMS:
        raise ValueError(f"ScaNN needs at least {MIN_ITEMS} items, got {items}; search them exactly")
    leaves = max(_MIN_LEAVES, round(math.sqrt(items)))
    return ScannConfig(items, leaves, leaves_to_try(leaves)[0])


def leaves_to_try(num_leaves: int) -> list[int]:
    """Numbers of leaves to search, fewest first, the last being all of them."""
    tries = [_MIN_LEAVES]
    while tries[-1] < num_leaves:
        tries.append(min(num_leaves, max(tries[-1] + 1, math.floor(tries[-1] * _LEAF_STEP))))
    return tries
