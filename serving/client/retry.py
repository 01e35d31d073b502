"""When to ask again, and after how long."""

from __future__ import annotations

import dataclasses
import random

from serving.client.errors import TransportError


@dataclasses.dataclass(frozen=True)
class Retry:
    """Exponential backoff with full jitter (Brooker, AWS 2015).

    Only what may pass by itself is tried again: a refused or lost connection
    and UNAVAILABLE. Every request of this client reads, so sending one twice
    changes nothing.

    Attributes:
      attempts: how often a request is sent at most; 1 for no second try.
      first_delay_s: longest wait before the second attempt; doubles from one to the next.
      max_delay_s: bound on that.
    """

    attempts: int = 4
    first_delay_s: float = 0.05
    max_delay_s: float = 1.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts must be at least 1, got {self.attempts}")
        if self.first_delay_s < 0 or self.max_delay_s < 0:
            raise ValueError(
                f"delays must not be negative, got {self.first_delay_s} and {self.max_delay_s} s"
            )

    def delay(self, error: TransportError, attempt: int, remaining_s: float | None) -> float | None:
        """Seconds to wait before the next attempt, None to give up.

        Args:
          error: what came of the last one.
          attempt: its number, from 1.
          remaining_s: seconds to the deadline of the whole call, None without one.
        """
        if not error.retryable or attempt >= self.attempts:
            return None
        delay = random.uniform(0.0, min(self.max_delay_s, self.first_delay_s * 2 ** (attempt - 1)))
        return None if remaining_s is not None and delay >= remaining_s else delay
