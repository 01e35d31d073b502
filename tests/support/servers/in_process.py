"""The model server's two APIs in this process, each on a port of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

from aiohttp import web

from serving.model_server.api import grpc_service, rest_service
from serving.model_server.execution.batching.batcher import Batcher
from serving.model_server.execution.batching.options import BatchingOptions
from serving.model_server.execution.large_requests import ByteBudget
from serving.model_server.execution.predict import DataPlane
from serving.model_server.execution.runtime import Model
from serving.model_server.observe.metrics import Metrics
from serving.model_server.process.options import ServerOptions
from serving.model_server.versions.servables import Manager, Route, Table


@dataclasses.dataclass(frozen=True)
class Parts:
    """What both APIs stand on."""

    metrics: Metrics
    manager: Manager
    plane: DataPlane


@asynccontextmanager
async def parts(models: Mapping[str, Path] = MappingProxyType({})) -> AsyncIterator[Parts]:
    """With version 1 of each model."""
    metrics = Metrics()
    manager = Manager(Model.load, metrics)
    for name, path in models.items():
        await manager.load(name, 1, str(path))
    manager.publish(Table({name: Route(1, (1,)) for name in models}))
    batcher = Batcher(BatchingOptions())
    try:
        yield Parts(metrics, manager, DataPlane(manager, batcher, metrics))
    finally:
        await manager.close()
        batcher.close()


@asynccontextmanager
async def grpc_port(
    used: Parts,
    options: ServerOptions,
    budget: int = 1 << 30,
    channel_options: Sequence[tuple[str, int | str]] = (),
) -> AsyncIterator[int]:
    services = grpc_service.GrpcServices(
        channel_options, used.plane, used.manager, options, ByteBudget(budget)
    )
    port = services.ports.add_insecure_port("127.0.0.1:0")
    await services.start()
    services.set_serving()
    try:
        yield port
    finally:
        await services.stop(0)


@asynccontextmanager
async def rest_port(
    used: Parts,
    options: ServerOptions,
    budget: int = 1 << 30,
    header_seconds: float = 60.0,
    body_seconds: float = 60.0,
) -> AsyncIterator[int]:
    app = rest_service.create_app(
        used.plane, used.manager, used.metrics, options, ByteBudget(budget), body_seconds=body_seconds
    )
    runner = rest_service.create_runner(app, header_seconds=header_seconds, grace_seconds=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        yield site._server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()
