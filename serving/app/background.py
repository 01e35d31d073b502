"""What runs beside the requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

_log = structlog.get_logger(__name__)


class Background:
    """One piece of work, done again and again from `start` to `stop`."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Does the work every `seconds`, for the first time after them; a failure of it is logged."""
        self._task = asyncio.create_task(_repeated(work, seconds))

    async def stop(self) -> None:
        """Returns once it has ended; does nothing if it was never started."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


async def _repeated(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:  # noqa: BLE001 (logged; without a next round what it looks at would stand still)
            _log.exception("background_work_failed", work=getattr(work, "__qualname__", repr(work)))
