"""The data's own scale of ratings, beside that of requests, answers and artifacts."""

from __future__ import annotations

import dataclasses
from typing import Any

import contract


@dataclasses.dataclass(frozen=True)
class RatingScale:
    """Ratings from `low` to `high`, mapped evenly onto contract.MIN_RATING to MAX_RATING ("stars").

    Requests, answers and artifacts hold stars, whatever the data: 0 is no star, so it can pad and mean
    "unknown", which on a scale from 0 on would be a rating. Who speaks to people maps, once each way.
    """

    low: float
    high: float

    @property
    def in_stars(self) -> bool:
        """Whether there is nothing to map."""
        return (self.low, self.high) == (contract.MIN_RATING, contract.MAX_RATING)

    def stars(self, rating: Any) -> Any:
        """Of a number or an array on this scale."""
        if self.in_stars:
            return rating
        return _between(
            contract.MIN_RATING, contract.MAX_RATING, (rating - self.low) / (self.high - self.low)
        )

    def rating(self, stars: Any) -> Any:
        """The inverse of `stars`."""
        if self.in_stars:
            return stars
        share = (stars - contract.MIN_RATING) / (contract.MAX_RATING - contract.MIN_RATING)
        return _between(self.low, self.high, share)


def _between(low: float, high: float, share: Any) -> Any:
    """So written, shares of 0 and 1 are the ends exactly: no highest rating is above its scale."""
    return (1 - share) * low + share * high
