"""ScaNN's parameters, derived from the size of the catalogue."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

# ScaNN learns 16 codes per block from the catalogue itself: with fewer points
# than codes it fails. `IndexParams.exact_below` is never smaller.
MIN_MOVIES: Final = 16
# With a single leaf every query answers row 0.
_MIN_LEAVES: Final = 2
# Shares of the leaves tried until the wanted recall is met; 1 is a full scan of the codes.
_LEAF_SHARES: Final = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
# Where the leaves searched hold less than this many times what is asked, the
# answer would come up short or poor: such rows are searched exactly.
_HEADROOM: Final = 2


@dataclasses.dataclass(frozen=True)
class ScannConfig:
    """How a catalogue of N movies is partitioned and quantised.

    The rules of thumb are those of ScaNN's own guide (docs/algorithms.md):
    about sqrt(N) leaves, anisotropic quantisation with a threshold of 0.2 for
    dot products of unit vectors (Guo et al. 2020, "Accelerating Large-Scale
    Inference with Anisotropic Vector Quantization"), two dimensions per code,
    exact rescoring of a few times as many neighbours as are asked for.

    Attributes:
      movies: N.
      num_leaves: partitions.
      num_leaves_to_search: partitions that a query looks into.
      dimensions_per_block: dimensions that share one code.
      anisotropic_quantization_threshold: how much an error along the vector
        weighs more than one across it.
      min_reordering: neighbours rescored exactly at the least.
      reordering_factor: neighbours rescored per neighbour asked for.
      training_iterations: of k-means, for the leaves and for the codes.
      training_sample: most movies that k-means learns from.
    """

    movies: int
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
        reached = self.movies * self.num_leaves_to_search // self.num_leaves
        return max(1, reached // _HEADROOM)


def scann_config(movies: int) -> ScannConfig:
    """The configuration for N movies, with the smallest number of leaves to search.

    Raises:
      ValueError: fewer than MIN_MOVIES; search such a catalogue exactly.
    """
    if movies < MIN_MOVIES:
        raise ValueError(f"ScaNN needs at least {MIN_MOVIES} movies, got {movies}; search them exactly")
    leaves = max(_MIN_LEAVES, round(math.sqrt(movies)))
    return ScannConfig(movies, leaves, leaves_to_try(leaves)[0])


def leaves_to_try(num_leaves: int) -> list[int]:
    """Numbers of leaves to search, fewest first, the last being all of them."""
    return sorted({max(_MIN_LEAVES, math.ceil(share * num_leaves)) for share in _LEAF_SHARES})
