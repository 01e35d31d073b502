"""Batchers under test: a model that can be held up, and requests for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import numpy as np

from serving.model_server.execution.batching.batcher import Batcher
from serving.model_server.execution.batching.options import BatchingOptions
from serving.model_server.execution.runtime import Model
from serving.model_server.observe.metrics import Metrics
from serving.model_server.versions.servables import Servable
from serving.protocol.errors import Code, StatusError

HIGHEST = "highest"


class Watched:
    """A model that can be held up, and remembers how many rows each run had."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.signatures = model.signatures
        self.rows: list[int] = []
        self.open = threading.Event()
        self.open.set()

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> dict[str, np.ndarray]:
        self.open.wait()
        first = next(iter(inputs.values()))
        self.rows.append(len(first) if first.ndim else 0)
        return self.model.run(signature, inputs, outputs)


def serve(
    model: Any,
    body: Callable[[Batcher, Servable], Awaitable[Any]],
    metrics: Metrics | None = None,
    **options: Any,
) -> Any:
    """Runs `body` with a batcher of one thread, and sees that nothing holds the model afterwards.

    The operator asked for batching, unless `options` say otherwise: else only our signatures are batched.
    """

    async def run() -> Any:
        batcher = Batcher(BatchingOptions(**{"num_batch_threads": 1, "explicit": True, **options}), metrics)
        servable = Servable("model", 1, model)
        try:
            return await body(batcher, servable)
        finally:
            if isinstance(model, Watched):
                model.open.set()
            await asyncio.to_thread(batcher.close)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.wait_for(servable.drained(), 5)

    return asyncio.run(run())


def x(*rows: Sequence[float]) -> dict[str, np.ndarray]:
    return {"x": np.array(rows, np.float32)}


def ask(
    batcher: Batcher, servable: Servable, inputs: dict[str, np.ndarray], **more: Any
) -> asyncio.Task[dict[str, np.ndarray]]:
    signature = more.pop("signature", HIGHEST)
    outputs = servable.model.signatures[signature].output_names

    async def held() -> dict[str, np.ndarray]:
        servable.retain()
        with servable:
            return await batcher.run(servable, signature, inputs, outputs, more.get("deadline"))

    return asyncio.ensure_future(held())


async def behind_a_closed_door(batcher: Batcher, servable: Servable) -> asyncio.Task[Any]:
    """A first request that occupies the only thread, so that what follows queues."""
    servable.model.open.clear()
    first = ask(batcher, servable, x([1]))
    while batcher._idle:
        await asyncio.sleep(0.001)
    return first


def code_of(task: asyncio.Task[Any]) -> Code | None:
    error = task.exception()
    return error.code if isinstance(error, StatusError) else None
