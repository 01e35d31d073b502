"""What requests to the model server leave to Python's search for cycles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from support.servers.cycles import left_in_cycles
from support.servers.in_process import Parts, grpc_port, parts, rest_port
from support.servers.model_servers import predict_request

from serving.model_server.process.options import ServerOptions

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_TIMES = 50
Ask = Callable[[bool], Awaitable[bool]]


@asynccontextmanager
async def asked_over(protocol: str, model: Path) -> AsyncIterator[Ask]:
    """A server of one model; gives what asks it, well or wrongly, and says whether it was answered."""
    over = by_grpc if protocol == "gRPC" else by_rest
    async with parts({"half": model}) as used, over(used) as ask:
        yield ask


@asynccontextmanager
async def by_grpc(used: Parts) -> AsyncIterator[Ask]:
    bodies = {
        well: predict_request("half", {"x" if well else "y": [1.0]}).SerializeToString()
        for well in (True, False)
    }
    async with (
        grpc_port(used, ServerOptions()) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        method = channel.unary_unary(_PREDICT)

        async def ask(well: bool) -> bool:
            call = method(bodies[well], timeout=60)
            return await call.code() is grpc.StatusCode.OK

        yield ask


@asynccontextmanager
async def by_rest(used: Parts) -> AsyncIterator[Ask]:
    async with (
        rest_port(used, ServerOptions()) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):

        async def ask(well: bool) -> bool:
            body = {"instances": [1.0 if well else "one"]}
            async with session.post("/v1/models/half:predict", json=body) as answer:
                await answer.read()
                return answer.status == 200

        yield ask


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
