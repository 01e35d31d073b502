"""A coordinator of versions in this process, with real models."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.observe.metrics import Metrics
from serving.model_server.process import options
from serving.model_server.versions.coordinator import Coordinator
from serving.model_server.versions.loading import ModelLoader
from serving.model_server.versions.servables import Manager, State, VersionStatus
from serving.protocol.errors import StatusError

PutVersion = Callable[..., Path]
# A copy in which each sort of damage is done.
VARIABLES = Path("variables", "variables.data-00000-of-00001")
INDEX = Path("variables", "variables.index")


def config(text: str) -> model_server_config_pb2.ModelServerConfig:
    return text_format.Parse(f"model_config_list {{ {text} }}", model_server_config_pb2.ModelServerConfig())


def one(base: Path, policy: str = "", name: str = "m", labels: str = "") -> str:
    chosen = f"model_version_policy {{ {policy} }}" if policy else ""
    return f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" {chosen} {labels} }}'


@dataclasses.dataclass
class Serving:
    coordinator: Coordinator
    manager: Manager
    bugs: list[BaseException]

    def versions(self, name: str = "m") -> dict[int, State]:
        try:
            return {status.version: status.state for status in self.manager.statuses(name)}
        except StatusError:
            return {}

    def status(self, version: int, name: str = "m") -> VersionStatus:
        return self.manager.statuses(name, version)[0]

    def latest(self, name: str = "m") -> int | None:
        try:
            with self.manager.acquire(name) as servable:
                x = np.array([2.0], np.float32)
                assert servable.model.run("serving_default", {"x": x}, ["y"])["y"].tolist() == [3.0]
                return servable.version
        except StatusError:
            return None

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(600):
            assert not self.bugs, self.bugs
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"still not so after 12 s: {self.versions()}")


@contextlib.asynccontextmanager
async def serving(text: str, in_force: bool = False, **fields: Any) -> AsyncIterator[Serving]:
    flags = options.parse(["--model_base_path=/unused"], {})
    defaults: dict[str, Any] = {
        "file_system_poll_wait_seconds": 0.05,
        "load_retry_interval_micros": 50_000,
        "max_num_load_retries": 0,
    }
    parsed = dataclasses.replace(flags, config=config(text), **{**defaults, **fields})
    metrics = Metrics()
    manager = Manager(ModelLoader(parsed, metrics), metrics)
    bugs: list[BaseException] = []
    coordinator = Coordinator(parsed, manager, bugs.append)
    manager.reload_config = coordinator.reload
    try:
        await coordinator.start(in_force)
        yield Serving(coordinator, manager, bugs)
    finally:
        await coordinator.stop()
        await manager.close()
        assert not bugs


def damage(version: Path, how: str) -> None:
    if how == "truncated graph":
        os.truncate(version / "saved_model.pb", 500)
    elif how == "garbage graph":
        (version / "saved_model.pb").write_bytes(os.urandom(4096))
    elif how == "empty graph":
        (version / "saved_model.pb").write_bytes(b"")
    elif how == "truncated variables":
        os.truncate(version / VARIABLES, 1)
    elif how == "garbage variables":
        (version / VARIABLES).write_bytes(os.urandom(8))
    elif how == "garbage index":
        (version / INDEX).write_bytes(os.urandom(300))
    elif how == "truncated index":
        os.truncate(version / INDEX, 20)
    elif how == "no variables":
        shutil.rmtree(version / "variables")
    elif how == "bad warm-up":
        (version / "assets.extra").mkdir()
        (version / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"not a TFRecord")
