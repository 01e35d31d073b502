"""Large requests and answers: work on them beside the event loop, and a bound on their bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import numpy as np

from serving.protocol.errors import Code, StatusError

# Requests of so many bytes, and answers of so many values, are read and written in the thread.
REQUEST_BYTES: Final = 1 << 20
_ANSWER_VALUES: Final = 100_000
# Of each request, not counted: ordinary ones are answered whatever the large ones hold.
_FREE_BYTES: Final = 1 << 16
# One at a time: reading takes many times a body's memory and, in C, the interpreter's lock.
_THREAD: Final = ThreadPoolExecutor(1, "large_requests")
_T = TypeVar("_T")


def is_large(outputs: Mapping[str, np.ndarray]) -> bool:
    """Whether an answer is written in the thread."""
    return sum([array.size for array in outputs.values()]) >= _ANSWER_VALUES


async def in_thread(large: bool, call: Callable[..., _T], *arguments: Any) -> _T:
    """What `call` returns; it runs in the thread if `large`."""
    if large:
        return await asyncio.get_running_loop().run_in_executor(_THREAD, call, *arguments)
    return call(*arguments)


class ByteBudget:
    """Bytes of all requests under way together, of one process and both protocols.

    The first 64 KiB of each are free. What is bounded are many large requests at a time,
    and large ones of which clients send a part and hold the rest back.

    Args:
      most: bytes.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0

    def request(self) -> Hold:
        """What a new request holds: nothing yet."""
        return Hold(self)


class Hold:
    """What one request holds of the budget, until it is released."""

    __slots__ = ("_budget", "_bytes")

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._bytes = 0

    def add(self, count: int) -> None:
        """The request has so many bytes more.

        Raises:
          StatusError: RESOURCE_EXHAUSTED: those of all requests are too many.
        """
        more = max(self._bytes + count - _FREE_BYTES, 0) - self._counted()
        budget = self._budget
        if more > 0 and budget.held + more > budget.most:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                f"the requests under way hold {budget.held} bytes, and {more} more are beyond the "
                f"{budget.most} of --max_pending_request_bytes; try again later",
            )
        budget.held += more
        self._bytes += count

    def release(self) -> None:
        """The request is answered, or given up."""
        self._budget.held -= self._counted()
        self._bytes = 0

    def _counted(self) -> int:
        return max(self._bytes - _FREE_BYTES, 0)
