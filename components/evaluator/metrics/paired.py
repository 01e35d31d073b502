"""Is one model better than another for the same users? A paired interval."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

# Two-sided 95 % of the normal distribution: the mean of hundreds of per-user
# differences is close to normal whatever one difference looks like.
Z: Final = 1.96


@dataclasses.dataclass(frozen=True)
class PairedInterval:
    """Mean of per-user differences, candidate minus baseline, with its error.

    Pairing takes out what makes users differ from one another (some are easy
    for every model), so a much smaller change is seen than by comparing means.

    Attributes:
      metric: what was compared, a name of `registry.evaluated()`.
      users: number of pairs.
      difference: mean difference.
      standard_error: of that mean, sqrt(sample variance / users); NaN below two users.
      baseline: the baseline's own mean over the same users.
    """

    metric: str
    users: int
    difference: float
    standard_error: float
    baseline: float

    @classmethod
    def from_sums(
        cls, metric: str, users: int, differences: float, squares: float, baseline: float
    ) -> PairedInterval:
        """From sums over users: of the differences, of their squares, of the baseline's values."""
        if users == 0:
            return cls(metric, 0, math.nan, math.nan, math.nan)
        mean = differences / users
        error = math.nan
        if users > 1:
            # Rounding may push a variance of zero just below it.
            variance = max(0.0, (squares - users * mean * mean) / (users - 1))
            error = math.sqrt(variance / users)
        return cls(metric, users, mean, error, baseline / users)

    @property
    def low(self) -> float:
        return self.difference - Z * self.standard_error

    @property
    def high(self) -> float:
        return self.difference + Z * self.standard_error

    def percent(self, value: float) -> float:
        """`value` as a percentage of the baseline's mean; NaN if that mean is 0."""
        return 100.0 * value / self.baseline if self.baseline else math.nan
