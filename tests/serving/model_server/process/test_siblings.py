"""What workers tell each other of versions that end a process."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from serving.model_server.process.shared_state import SharedState
from serving.model_server.process.siblings import Siblings
from serving.model_server.versions.lifecycle import FatalVersionError

FILES = frozenset({("saved_model.pb", 1, 2)})


async def load(siblings: Siblings, fails: bool = False) -> None:
    async with siblings.trial("m", 2, FILES):
        if fails:
            raise RuntimeError("the process ends here")


def test_a_version_that_ended_a_process_stays_known_whatever_ends_that_process_later() -> None:
    state = SharedState(2)
    first = Siblings(state, 0, os.getppid())
    second = Siblings(state, 1, os.getppid())
    state.set("ready", 1)
    key = "m/2 digest"
    assert first._may_load(key)
    assert not second._may_load(key)
    state.ended(0, -signal.SIGABRT)
    for _ in range(2):
        with pytest.raises(FatalVersionError, match="worker 0 was killed by SIGABRT"):
            second._may_load(key)
        with state.document() as document:
            assert (list(document["fatal"]), document["loading"]) == ([key], {})
        # Its successor ends as well, by another hand.
        state.ended(0, -signal.SIGKILL)


def test_a_version_that_merely_failed_may_be_tried_by_all() -> None:
    async def run() -> None:
        state = SharedState(2)
        first, second = (Siblings(state, number, os.getppid()) for number in range(2))
        state.set("ready", 1)
        with pytest.raises(RuntimeError):
            await load(first, fails=True)
        await asyncio.gather(load(second), load(first))
        with state.document() as document:
            assert len(document["loaded"]) == 1

    asyncio.run(run())
