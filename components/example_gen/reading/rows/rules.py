"""What a rating must be, beyond having the right types."""

from __future__ import annotations

from typing import Final

import numpy as np

# From here on it is milliseconds that were taken for seconds.
YEAR_2100: Final = 4_102_444_800


def time_problem(seconds: np.ndarray) -> np.ndarray:
    """int8[rows]: 0 fine, 1 before 1970, 2 after 2100."""
    return np.where(seconds < 0, 1, np.where(seconds >= YEAR_2100, 2, 0)).astype(np.int8)


def scale_problem(ratings: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    """bool[rows]: not within the scale; NaN, which compares false with everything, is not either."""
    return ~((ratings >= np.float32(scale[0])) & (ratings <= np.float32(scale[1])))
