"""How much an address and a key may ask, and how large a body may be."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections.abc import Collection, Sequence

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from serving.app.errors import TooManyRequestsError

# Seconds between looks for counts that are over.
_FORGET_S = 60.0


class _Awake(threading.Timer):
    def is_alive(self) -> bool:
        return True


class _Counts(MemoryStorage):
    """The library's own forgets old counts in a new thread, up to a hundred times a second.

    A thread that starts takes the processor from the requests that run. Here one of these forgets, once a
    minute.
    """

    def __init__(self) -> None:
        super().__init__()
        self.timer.join()
        self.timer = _Awake(0.0, lambda: None)
        self._forget_at = 0.0

    def forget(self) -> None:
        now = time.time()
        if now < self._forget_at:
            return
        self._forget_at = now + _FORGET_S
        for key in [key for key, ends in self.expirations.items() if ends <= now]:
            self.clear(key)


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
        self._counts = _Counts()
        self._limiter = SlidingWindowCounterRateLimiter(self._counts)

    def count(self, who: str) -> None:
        """Counts one request.

        Raises:
          TooManyRequestsError: it is one too many.
        """
        self._counts.forget()
        if self._limiter.hit(self._item, who):
            return
        ends = self._limiter.get_window_stats(self._item, who).reset_time
        raise TooManyRequestsError(
            f"more than {self._text} requests of one {self._whose}; Retry-After says when to come back",
            max(1, math.ceil(ends - time.time())),
        )


def address(peer: str, forwarded: Sequence[str], trusted: Collection[str]) -> str:
    """Who asks: the peer, or, behind trusted proxies, the last address that none of them has.

    Args:
      forwarded: every X-Forwarded-For header, in order: some proxies add one of their own to the client's.
    """
    if peer not in trusted:
        return peer
    hops = [part.strip() for header in forwarded for part in header.split(",") if part.strip()]
    for hop in reversed(hops):
        if hop not in trusted:
            return hop if _is_address(hop) else peer
    return peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
