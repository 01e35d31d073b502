"""gRPC services in this process: what only a broken server shows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.api import grpc_service
from serving.model_server.execution.batching import Batcher, BatchingOptions
from serving.model_server.execution.predict import DataPlane
from serving.model_server.execution.runtime import Model
from serving.model_server.observe.metrics import Metrics
from serving.model_server.process.options import ServerOptions
from serving.model_server.versions.servables import Manager

RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"


async def broken(config: model_server_config_pb2.ModelServerConfig) -> None:
    raise ZeroDivisionError(f"a bug, met with {len(config.model_config_list.config)} models")


@asynccontextmanager
async def serving() -> AsyncIterator[grpc.aio.Channel]:
    """A server without models, and with a bug in its reload."""
    metrics = Metrics()
    manager = Manager(Model.load, metrics)
    manager.reload_config = broken
    batcher = Batcher(BatchingOptions())
    services = grpc_service.GrpcServices((), DataPlane(manager, batcher, metrics), manager, ServerOptions())
    port = services.ports.add_insecure_port("127.0.0.1:0")
    await services.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await services.stop(0)
    batcher.close()


def call(*calls: tuple[str, bytes]) -> list[tuple[grpc.StatusCode, str]]:
    """Code and text of each."""

    async def main() -> list[tuple[grpc.StatusCode, str]]:
        found = []
        async with serving() as channel:
            for path, body in calls:
                done = channel.unary_unary(path)(body, timeout=60)
                found.append((await done.code(), await done.details()))
        return found

    return asyncio.run(main())


def test_a_bug_is_internal_with_its_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    with caplog.at_level(logging.ERROR):
        (bug, after) = call((RELOAD, request.SerializeToString()), (STATUS, b""))
    assert bug[0] is grpc.StatusCode.INTERNAL
    assert bug[1] == "ZeroDivisionError: a bug, met with 0 models"
    (logged,) = [record for record in caplog.records if record.exc_info]
    assert "HandleReloadConfigRequest" in logged.getMessage()
    assert after == (grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")


def test_bytes_that_are_no_message_are_an_invalid_argument() -> None:
    ((code, text),) = call((STATUS, b"\xff" * 9))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text == "9 bytes that are no tensorflow.serving.GetModelStatusRequest"


@pytest.mark.parametrize("character", ["m", "\N{GRINNING FACE}"])
def test_long_texts_are_cut(character: str) -> None:
    name = character.encode() * (6000 // len(character.encode()))
    body = b"\x0a" + _varint(len(name) + 3) + b"\x0a" + _varint(len(name)) + name
    ((code, text),) = call((STATUS, body))
    assert code is grpc.StatusCode.NOT_FOUND
    assert 1020 < len(text.encode()) - len("...TRUNCATED") <= 1024
    assert text.endswith("...TRUNCATED")


def _varint(value: int) -> bytes:
    return bytes((value & 0x7F | 0x80, value >> 7))
