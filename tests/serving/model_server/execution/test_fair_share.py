"""Slow requests leave a thread to quick ones; and a batcher that answers nothing says so."""

from __future__ import annotations

import asyncio
import itertools
import time
from types import SimpleNamespace
from typing import Any

import pytest
from support.models.batches import Watched, ask, behind_a_closed_door, code_of, serve, x

from serving.model_server.execution import clients
from serving.model_server.execution.batching.batcher import Batcher
from serving.model_server.execution.batching.fair_share import FairShare
from serving.model_server.execution.runtime import Model
from serving.model_server.versions.servables import Servable
from serving.protocol.errors import Code


class Lane(SimpleNamespace):
    __hash__ = object.__hash__


def share(threads: int, **seconds: float) -> tuple[FairShare, dict[str, Any]]:
    found, lanes = FairShare(threads), {name: Lane() for name in seconds}
    for name, each in seconds.items():
        found.ended(lanes[name], each, 100.0)
    return found, lanes


def test_the_last_thread_is_the_quick_ones_while_they_are_active() -> None:
    found, lanes = share(2, slow=1.0, quick=0.001)
    assert found.may_take(lanes["slow"], 2, 101.0)
    assert not found.may_take(lanes["slow"], 1, 101.0)
    assert found.may_take(lanes["quick"], 1, 101.0)
    assert found.may_take(Lane(), 1, 101.0)  # how long it takes is not known yet
    assert found.may_take(lanes["slow"], 1, 111.0)  # the quick ones have gone


@pytest.mark.parametrize(
    ("threads", "seconds"),
    [
        (2, {"slow": 1.0, "other": 0.5}),  # as slow, more or less
        (2, {"slow": 0.05, "other": 0.001}),  # quick enough
        (2, {"slow": 1.0}),  # alone
        (1, {"slow": 1.0, "other": 0.001}),  # one thread cannot be kept
    ],
)
def test_no_thread_stands_idle_for_nothing(threads: int, seconds: dict[str, float]) -> None:
    found, lanes = share(threads, **seconds)
    assert found.may_take(lanes["slow"], 1, 101.0)


class Sleeps(Watched):
    """`highest` takes half a second; any other signature no time."""

    def run(self, signature: str, inputs: Any, outputs: Any) -> Any:
        if signature == "highest":
            time.sleep(0.5)
        return super().run(signature, inputs, outputs)


def test_a_quick_request_is_answered_while_slow_ones_queue(everything: Model) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        # A SavedModel's signatures are in no fixed order.
        takes_x = {name for name, one in servable.model.signatures.items() if set(one.inputs) == {"x"}}
        quick = min(takes_x - {"highest"})
        # How long each takes is seen once.
        await ask(batcher, servable, x([1]))
        await ask(batcher, servable, x([1]), signature=quick)
        slow = [ask(batcher, servable, x([1])) for _ in range(6)]
        await asyncio.sleep(0.1)
        for _ in range(5):
            await ask(batcher, servable, x([1]), signature=quick)
        assert sum(task.done() for task in slow) < 6
        await asyncio.gather(*slow)

    serve(Sleeps(everything), body, num_batch_threads=2, max_batch_size=1)


def test_who_fills_a_queue_is_refused_himself(everything: Model) -> None:
    def as_client(name: str, batcher: Batcher, servable: Servable, *rows: list[float]) -> asyncio.Task[Any]:
        clients.CURRENT.set(clients.Client(lambda: f"ipv4:{name}:{next(ports)}"))
        return ask(batcher, servable, x(*rows))

    ports = itertools.count(1000)

    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        greedy = [as_client("greedy", batcher, servable, [1]) for _ in range(6)]
        await asyncio.sleep(0.01)
        # Four fit; the last two of the greedy were refused, whoever else is there.
        assert [code_of(task) if task.done() else None for task in greedy[4:]] == [Code.UNAVAILABLE] * 2
        honest = [as_client("honest", batcher, servable, [2]) for _ in range(3)]
        await asyncio.sleep(0.01)
        # Half of the queue and no more: the newest of the greedy made room.
        assert [task.done() for task in greedy[:4]] == [False, False, True, True]
        assert [code_of(task) for task in greedy[2:4]] == [Code.UNAVAILABLE] * 2
        assert [task.done() for task in honest] == [False, False, True]
        assert code_of(honest[2]) is Code.UNAVAILABLE
        servable.model.open.set()
        await asyncio.gather(first, *greedy[:2], *honest[:2])

    serve(Watched(everything), body, max_batch_size=1, max_enqueued_batches=4)


def test_a_batcher_that_answers_nothing_says_for_how_long(everything: Model) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        assert batcher.stalled_seconds() == 0
        first = await behind_a_closed_door(batcher, servable)
        assert batcher.stalled_seconds() == 0  # it runs, and nobody waits
        second = ask(batcher, servable, x([1]))
        await asyncio.sleep(0.3)
        assert 0.2 < batcher.stalled_seconds() < 30
        servable.model.open.set()
        await asyncio.gather(first, second)
        assert batcher.stalled_seconds() == 0

    serve(Watched(everything), body)
