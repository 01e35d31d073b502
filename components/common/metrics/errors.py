"""How far predicted ratings are off."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Errors:
    """Ratings of U users beside what was predicted.

    Attributes:
      difference: float64[E], predicted minus actual, in stars.
      owner: int64[E], whose rating it is, 0 to users - 1.
      users: U.
    """

    difference: NDArray[np.float64]
    owner: NDArray[np.int64]
    users: int

    @property
    def weights(self) -> NDArray[np.float64]:
        """float64[U]: a user's ratings; each rating counts once in the mean."""
        return np.bincount(self.owner, minlength=self.users).astype(np.float64)


def mean_square(errors: Errors) -> NDArray[np.float64]:
    """Of the difference, float64[U]; the root of its mean over all ratings is the RMSE, in stars."""
    return _mean(errors.difference**2, errors)


def mean_absolute(errors: Errors) -> NDArray[np.float64]:
    """Of the difference, float64[U], in stars."""
    return _mean(np.abs(errors.difference), errors)


def _mean(values: NDArray[np.float64], errors: Errors) -> NDArray[np.float64]:
    weights = errors.weights
    sums = np.bincount(errors.owner, values, errors.users)
    return np.divide(sums, weights, out=np.full(errors.users, np.nan), where=weights > 0)
