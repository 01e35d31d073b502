"""How long a request waits for others."""

from __future__ import annotations

import asyncio
import time

import pytest
from support.models.batches import Watched, ask, serve, x

from serving.model_server.execution.batching.batcher import Batcher
from serving.model_server.versions.servables import Servable


@pytest.fixture
def endless_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process so busy that requests wait for others for ever."""
    monkeypatch.setattr(
        "serving.model_server.execution.batching.waiting.AdaptiveWait.seconds", lambda self, now: 3600.0
    )


def test_a_lone_client_waits_for_nobody_however_busy_the_process(
    endless_wait: None, watched: Watched
) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        for number in range(5):
            answer = await asyncio.wait_for(ask(batcher, servable, x([number])), 30)
            assert len(next(iter(answer.values()))) == 1

    serve(watched, body)
    assert watched.rows == [1] * 5


def test_a_batch_waits_until_as_many_are_here_as_there_were_lately(
    endless_wait: None, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.model_server.execution.batching.waiting._WINDOW_S", 3600.0)

    async def body(batcher: Batcher, servable: Servable) -> None:
        clients = [ask(batcher, servable, x([number])) for number in range(4)]
        await asyncio.wait_for(asyncio.gather(*clients), 30)
        # The first of the next round waits for the other three.
        first = ask(batcher, servable, x([7]))
        await asyncio.sleep(0.2)
        assert not first.done()
        rest = [ask(batcher, servable, x([number])) for number in range(3)]
        await asyncio.wait_for(asyncio.gather(first, *rest), 30)

    serve(watched, body)
    assert watched.rows == [4, 4]


def test_clients_that_have_gone_are_not_waited_for(endless_wait: None, watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        clients = [ask(batcher, servable, x([number])) for number in range(4)]
        await asyncio.wait_for(asyncio.gather(*clients), 30)
        for _ in range(2):  # each look at the time ends one window
            await asyncio.sleep(0.15)
            batcher._concurrency.is_reached(0, time.monotonic())
        await asyncio.wait_for(ask(batcher, servable, x([7])), 30)

    serve(watched, body)
    assert watched.rows == [4, 1]
