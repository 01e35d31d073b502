"""A batch thread that is kept for the quick while slow requests hold the others."""

from __future__ import annotations

import dataclasses
import weakref
from typing import Final

from serving.model_server.execution.batching.queues import Lane

# Batches that take longer than this on average are slow, if those of another lane are so many times quicker.
_SLOW_S: Final = 0.1
_TIMES: Final = 4.0
# A lane that has had no batch for so long asks for no thread.
_ACTIVE_S: Final = 10.0
_NEW: Final = 0.3  # weight of the newest batch in the average


@dataclasses.dataclass
class _Pace:
    seconds: float
    at: float


class FairShare:
    """How long batches of each lane take, and which lane may take the last idle thread.

    A batch cannot be stopped. Where every thread runs one that takes seconds (`explain` of long
    histories), a request that takes a millisecond waits for seconds. So a slow lane leaves one thread
    idle while a quicker one is active; alone, it has all of them.

    Args:
      threads: in all; of one thread none can be kept.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._paces: weakref.WeakKeyDictionary[Lane, _Pace] = weakref.WeakKeyDictionary()

    def ended(self, lane: Lane, seconds: float, now: float) -> None:
        """A batch of the lane ended at `now`, time.monotonic() seconds."""
        known = self._paces.get(lane)
        average = seconds if known is None else known.seconds + _NEW * (seconds - known.seconds)
        self._paces[lane] = _Pace(average, now)

    def may_take(self, lane: Lane, idle: int, now: float) -> bool:
        """Whether a batch of the lane may have a thread, of `idle` ones."""
        if idle > 1 or self._threads == 1:
            return True
        pace = self._paces.get(lane)
        if pace is None or pace.seconds < _SLOW_S:
            return True
        return not any(
            other.seconds * _TIMES < pace.seconds and now - other.at < _ACTIVE_S
            for other in list(self._paces.values())
        )
