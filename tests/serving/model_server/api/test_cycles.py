"""What requests to the model server leave to Python's search for cycles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from aiohttp import web
from support.servers.cycles import left_in_cycles
from support.servers.model_servers import predict_request

from serving.model_server.api import grpc_service, rest_service
from serving.model_server.execution.batching.batcher import Batcher
from serving.model_server.execution.batching.options import BatchingOptions
from serving.model_server.execution.large_requests import ByteBudget
from serving.model_server.execution.predict import DataPlane
from serving.model_server.execution.runtime import Model
from serving.model_server.observe.metrics import Metrics
from serving.model_server.process.options import ServerOptions
from serving.model_server.versions.servables import Manager, Route, Table

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_TIMES = 50
Ask = Callable[[bool], Awaitable[bool]]


@asynccontextmanager
async def asked_over(protocol: str, model: Path) -> AsyncIterator[Ask]:
    """A server of one model; gives what asks it, well or wrongly, and says whether it was answered."""
    metrics, budget, options = Metrics(), ByteBudget(1 << 30), ServerOptions()
    manager = Manager(Model.load, metrics)
    await manager.load("half", 1, str(model))
    manager.publish(Table({"half": Route(1, (1,))}))
    batcher = Batcher(BatchingOptions())
    plane = DataPlane(manager, batcher, metrics)
    if protocol == "gRPC":
        services = grpc_service.GrpcServices([], plane, manager, options, budget)
        port = services.ports.add_insecure_port("127.0.0.1:0")
        await services.start()
        bodies = {
            well: predict_request("half", {"x" if well else "y": [1.0]}).SerializeToString()
            for well in (True, False)
        }
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            method = channel.unary_unary(_PREDICT)

            async def by_grpc(well: bool) -> bool:
                call = method(bodies[well], timeout=60)
                return await call.code() is grpc.StatusCode.OK

            yield by_grpc
        await services.stop(0)
    else:
        runner = rest_service.create_runner(
            rest_service.create_app(plane, manager, metrics, options, budget), grace_seconds=1.0
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

            async def by_rest(well: bool) -> bool:
                body = {"instances": [1.0 if well else "one"]}
                async with session.post("/v1/models/half:predict", json=body) as answer:
                    await answer.read()
                    return answer.status == 200

            yield by_rest
        await runner.cleanup()
    await manager.close()
    batcher.close()


@pytest.mark.parametrize("protocol", ["gRPC", "REST"])
@pytest.mark.parametrize("well", [True, False], ids=["answered", "refused"])
def test_requests_leave_no_cycles(half_plus: Path, protocol: str, well: bool) -> None:
    """All that a request holds would stay until a search, which stops the event loop while it runs."""

    async def main() -> None:
        async with asked_over(protocol, half_plus) as ask:
            for _ in range(3):  # what is made once is made
                assert await ask(well) is well
            with left_in_cycles("serving", "_asyncio") as left:
                for _ in range(_TIMES):
                    assert await ask(well) is well
            assert not {kind: count for kind, count in left.items() if count >= _TIMES // 2}, left

    asyncio.run(main())
