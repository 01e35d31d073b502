"""How much an address and a key may ask, and how large a body may be."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Collection, Mapping

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from serving.app.errors import TooManyRequestsError


class RateLimit:
    """A limit of requests, counted in this process in a sliding window.

    Args:
      text: "600/minute"; what the limits package reads.
      whose: what is counted, for the error.
    """

    def __init__(self, text: str, whose: str) -> None:
        self._text = text
        self._whose = whose
        self._item: RateLimitItem = parse(text)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, who: str) -> None:
        """Counts one request.

        Raises:
          TooManyRequestsError: it is one too many.
        """
        if self._limiter.hit(self._item, who):
            return
        ends = self._limiter.get_window_stats(self._item, who).reset_time
        raise TooManyRequestsError(
            f"more than {self._text} requests of one {self._whose}; Retry-After says when to come back",
            max(1, math.ceil(ends - time.time())),
        )


def address(peer: str, headers: Mapping[str, str], trusted: Collection[str]) -> str:
    """Who asks: the peer, or, behind trusted proxies, the last address that none of them has."""
    if peer not in trusted:
        return peer
    forwarded = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
    for hop in reversed(forwarded):
        if hop not in trusted:
            return hop if _is_address(hop) else peer
    return peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
