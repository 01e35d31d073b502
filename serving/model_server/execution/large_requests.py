"""Work on large requests and answers beside the event loop, so that others go on being answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import numpy as np

# Requests of so many bytes, and answers of so many values, are read and written in the thread.
REQUEST_BYTES: Final = 1 << 20
_ANSWER_VALUES: Final = 100_000
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
