"""Whether waiting for more requests pays."""

from __future__ import annotations

import time

# Seconds that a request waits for others at most, if no batch_timeout_micros says so.
_MAX_WAIT_S = 0.02
# Share of its CPUs that a process takes from which on waiting pays, and from which on it is longest.
_BUSY_FROM, _BUSIEST = 0.4, 0.8
# Seconds between two looks at the CPU that this process takes.
_LOOK = 0.05
# Seconds of the windows over which concurrency is estimated.
_WINDOW_S = 0.1


class AdaptiveWait:
    """How long a request should wait to be batched with others, by how busy this process is.

    A batch costs little more than one request: the larger the batches, the
    fewer cores the same requests take. While there is CPU to spare no
    request waits. When there is none, requests wait for it anyway, and gathering them
    first shortens that.

    Args:
      cpus: of which this process may take its share.
    """

    def __init__(self, cpus: float) -> None:
        self._cpus = cpus
        self._looked_at = time.monotonic()
        self._cpu = time.process_time()
        self._seconds = 0.0

    def seconds(self, now: float) -> float:
        """Seconds that the oldest request of a queue may wait for others."""
        wall = now - self._looked_at
        if wall >= _LOOK:
            cpu = time.process_time()
            busy = (cpu - self._cpu) / wall / self._cpus
            self._looked_at, self._cpu = now, cpu
            self._seconds = _MAX_WAIT_S * min(max((busy - _BUSY_FROM) / (_BUSIEST - _BUSY_FROM), 0), 1)
        return self._seconds


class ConcurrencyEstimator:
    """How many requests are usually here at once, waiting or running.

    Clients that ask one query after the other send the next one when they have
    their answer: once as many are here as there were lately, waiting for more
    gains nothing.
    """

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._most = self._most_before = 0

    def is_reached(self, here: int, now: float) -> bool:
        """Whether no more requests are to be expected, now that `here` are."""
        if now - self._since >= _WINDOW_S:
            self._most_before, self._most = self._most, here
            self._since = now
        self._most = max(self._most, here)
        return here >= self._most_before and here >= self._most
