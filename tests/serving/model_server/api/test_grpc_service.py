"""gRPC services in this process: what only a broken server shows."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.models import conformance_models
from support.servers.held_back import HeldBack
from support.servers.in_process import grpc_port, parts
from support.servers.model_servers import outputs_of, predict_request
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import model_management_pb2, predict_pb2
from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.process.options import ServerOptions
from serving.protocol import tensors

PREDICT = "/tensorflow.serving.PredictionService/Predict"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"


async def broken(config: model_server_config_pb2.ModelServerConfig) -> None:
    raise ZeroDivisionError(f"a bug, met with {len(config.model_config_list.config)} models")


@asynccontextmanager
async def serving(
    may_reload: bool = True,
    models: Mapping[str, Path] = MappingProxyType({}),
    budget: int = 1 << 30,
    ports: Callable[[int], None] = lambda _: None,
) -> AsyncIterator[grpc.aio.Channel]:
    """A server of version 1 of each model, with a bug in its reload; `ports` hears of its port."""
    options = ServerOptions(allow_config_reload=may_reload, enable_grpc_healthcheck_service=True)
    limits = [("grpc.max_receive_message_length", 64 << 20)]
    async with parts(models) as used:
        used.manager.reload_config = broken
        async with (
            grpc_port(used, options, budget, limits) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            ports(port)
            yield channel


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


def test_a_reload_is_refused_unless_the_operator_allows_it() -> None:
    """Any client could have it unload every model, load code from any path, or log requests anywhere."""

    async def main() -> tuple[grpc.StatusCode, str]:
        async with serving(may_reload=False) as channel:
            request = model_management_pb2.ReloadConfigRequest()
            request.config.model_config_list.SetInParent()
            done = channel.unary_unary(RELOAD)(request.SerializeToString(), timeout=60)
            return await done.code(), await done.details()

    code, text = asyncio.run(main())
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "started with --allow_config_reload" in text


def test_types_are_looked_at_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten million empty strings for a number held the event loop for six seconds, to be refused then."""
    conformance_models.half_plus(tmp_path / "1", 1.0)
    monkeypatch.setattr(tensors, "decode_all", lambda inputs: pytest.fail("decoded"))
    request = predict_request("half", {})
    strings = request.inputs["x"]
    strings.dtype = types_pb2.DT_STRING
    strings.tensor_shape.dim.add().size = 10_000_000
    strings.tensor_content = bytes(10_000_000)

    async def main() -> tuple[grpc.StatusCode, str]:
        async with serving(models={"half": tmp_path / "1"}) as channel:
            done = channel.unary_unary(PREDICT)(request.SerializeToString(), timeout=60)
            return await done.code(), await done.details()

    assert asyncio.run(main()) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Expects arg[0] to be float but string is provided",
    )


def test_the_bytes_of_requests_under_way_are_bounded() -> None:
    async def main() -> list[grpc.StatusCode]:
        async with serving(budget=100_000) as channel:
            # What was refused, or answered, is free again.
            sent = [b"\xff" * size for size in (10, 200_000, 150_000, 200_000, 150_000)]
            return [await channel.unary_unary(STATUS)(raw, timeout=60).code() for raw in sent]

    exhausted, invalid = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT
    assert asyncio.run(main()) == [invalid, exhausted, invalid, exhausted, invalid]


def test_health_is_what_grpc_says_of_it() -> None:
    serving_now, unknown = health_pb2.HealthCheckResponse.SERVING, grpc.StatusCode.NOT_FOUND

    async def main() -> None:
        async with serving() as channel:
            health = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
            for name in ("", "PredictionService", "ModelService"):
                request = health_pb2.HealthCheckRequest(service=name)
                assert (await health.Check(request, timeout=60)).status == serving_now
                watched = health.Watch(request, timeout=60)
                assert (await watched.read()).status == serving_now
                watched.cancel()
            done = health.Check(health_pb2.HealthCheckRequest(service="none"), timeout=60)
            assert await done.code() is unknown

    asyncio.run(main())


@pytest.mark.parametrize(
    "path", [CHECK, WATCH, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"]
)
def test_probes_are_answered_whatever_is_held_back(path: str) -> None:
    """Four half-sent Checks held all threads of the health service."""
    found: list[int] = []

    async def main() -> None:
        async with serving(ports=found.append) as channel:
            [port] = found
            with socket.create_connection(("127.0.0.1", port)) as connection:
                held = HeldBack(connection, path, 50, 100)
                await asyncio.to_thread(held.go_on, 1.0)
                for _ in range(5):
                    assert await channel.unary_unary(CHECK)(b"", timeout=10) == b"\x08\x01"

    asyncio.run(main())


@pytest.mark.parametrize("count", [3, 400_000])
def test_large_requests_and_answers_leave_the_event_loop_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    conformance_models.half_plus(tmp_path / "1", 1.0)
    threads: dict[str, str] = {}

    def watch(name: str) -> None:
        real = getattr(tensors, name)

        def call(*arguments: Any) -> Any:
            threads[name] = threading.current_thread().name
            return real(*arguments)

        monkeypatch.setattr(tensors, name, call)

    watch("decode_all")
    watch("encode")
    request = predict_request("half", {"x": tf.constant(np.arange(count, dtype=np.float32))})

    async def main() -> bytes:
        async with serving(models={"half": tmp_path / "1"}) as channel:
            return await channel.unary_unary(PREDICT)(request.SerializeToString(), timeout=60)

    answer = outputs_of(predict_pb2.PredictResponse.FromString(asyncio.run(main())))
    assert answer["y"].tolist() == (np.arange(count) / 2 + 1).tolist()
    expected = "MainThread" if count == 3 else "large_requests_0"
    assert threads == {"decode_all": expected, "encode": expected}


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
