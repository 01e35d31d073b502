"""What a worker process does for the others: signs of life, one config for all, trying new versions."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.process.options import ServerOptions
from serving.model_server.process.shared_state import SharedState
from serving.model_server.versions.lifecycle import FatalVersionError
from serving.protocol.errors import Code, StatusError

_log = logging.getLogger(__name__)

# Seconds between two signs of life, and between two looks at what the others did.
_TICK_S = 0.2
# Seconds after which a config that another process took and this one refuses is tried and mentioned again.
_AGAIN_S = 1.0
_REMIND_S = 60.0
# Versions of which it is kept whether they loaded, or ended a process.
_MAX_VERSIONS = 200


@dataclasses.dataclass(frozen=True)
class Start:
    """What a worker process is started with.

    Attributes:
      options: of the server.
      number: of this worker.
      supervisor: pid.
      state: descriptor of the `SharedState`.
      metrics: descriptors of the files of all workers' metrics.
    """

    options: ServerOptions
    number: int
    supervisor: int
    state: int
    metrics: tuple[int, ...]


class Configurable(Protocol):
    """The coordinator of this process."""

    async def apply(self, config: model_server_config_pb2.ModelServerConfig) -> Mapping[str, Any]: ...
    async def wait_for(self, models: Mapping[str, Any], noun: str) -> None: ...


def way_of_ending(exit_code: int) -> str:
    """How a process ended, in words."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:  # a real-time signal has no name
        return f"was killed by signal {-exit_code}"


class Siblings:
    """The other worker processes of this server, as one of them sees them.

    Args:
      state: shared by all.
      number: of this process.
      parent: pid of the supervisor; without it this process has to end.

    Attributes:
      config_in_force: whether the config that this process starts with is in force already,
        because another one took it.
    """

    def __init__(self, state: SharedState, number: int, parent: int) -> None:
        self._state = state
        self._number = number
        self._parent = parent
        self._config = 0
        self.config_in_force = False
        self._state.set("pid", os.getpid(), number)
        self._models: Configurable | None = None
        self._starting: Configurable | None = None
        self._applying = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def give_signs_of_life(self, parent_gone: Callable[[], None]) -> None:
        """Runs as long as the event loop turns: if it stands still, the supervisor ends the process."""
        while True:
            self._state.set("alive_at", time.monotonic_ns(), self._number)
            if os.getppid() != self._parent:
                _log.error("worker %d: its supervisor is gone: it ends", self._number)
                parent_gone()
                return
            await asyncio.sleep(_TICK_S)

    # --- one config for all -----------------------------------------------------
    def newest_config(self) -> model_server_config_pb2.ModelServerConfig | None:
        """The config that the last reload left; None if there was none."""
        with self._state.document() as document:
            self._config = self._state.get("newest_config")
            raw = document.get("config")
        self.config_in_force = bool(raw)
        return model_server_config_pb2.ModelServerConfig.FromString(base64.b64decode(raw)) if raw else None

    def starts(self, models: Configurable) -> None:
        """From now on a config that is read anew is applied to `models`, which still load: the one that they
        wait for may be wrong."""
        self._starting = models

    async def catch_up(self, models: Configurable) -> None:
        """Applies what has been reloaded while `models` started with `newest_config`.

        Raises:
          StatusError: it is refused here.
        """
        self._models = models
        await self._catch_up()

    async def all_loaded(self) -> None:
        """Returns when every worker has loaded its models: an open port means a server that is ready."""
        self._state.set("loaded", 1, self._number)
        numbers = range(self._state.processes)
        while not self._state.get("ready") and not all(self._state.get("loaded", n) for n in numbers):
            await asyncio.sleep(_TICK_S / 4)

    def answers(self, routed: Mapping[str, Sequence[int]]) -> None:
        """Tells the others and the supervisor that this process answers, and with which versions."""
        with self._state.document() as document:
            document["models"] = {name: list(numbers) for name, numbers in routed.items()}
        if not self._state.get("config", self._number):
            self._state.set("config", self._config, self._number)

    async def follow_reloads(self) -> None:
        """Applies what other processes reload, until cancelled."""
        refused_at = 0.0
        try:
            while True:
                try:
                    await self._catch_up()
                except StatusError as error:
                    # Another process took it, so it is in force: a label, say, of a version still to load.
                    if time.monotonic() - refused_at > _REMIND_S:
                        refused_at = time.monotonic()
                        _log.warning("worker %d cannot follow a reload yet: %s", self._number, error)
                    await asyncio.sleep(_AGAIN_S)
                await asyncio.sleep(_TICK_S)
        finally:
            for task in self._tasks:
                task.cancel()

    async def reload(self, config: model_server_config_pb2.ModelServerConfig) -> None:
        """Replaces the config of all processes and waits until its new models answer in each.

        Raises:
          StatusError: the config is refused, and nothing has changed anywhere; or UNKNOWN: it is in
            force, and a new model did not load in this process or in another one.
        """
        if config.WhichOneof("config") is None:
            return  # as TensorFlow Serving: "Taking no action for empty config."
        # In a task of its own: half a config must not come into force because the client gave up.
        number, added = await asyncio.shield(asyncio.ensure_future(self._publish(config)))
        if self._models is None:
            return  # the start waits for them
        await self._answers(number, added)
        await self._others_answer(number)

    async def _publish(
        self, config: model_server_config_pb2.ModelServerConfig
    ) -> tuple[int, Mapping[str, Any]]:
        models = self._models or self._starting
        if models is None:
            raise StatusError(Code.UNAVAILABLE, "the server is starting or stopping")
        async with self._applying:
            added = await models.apply(config)
            with self._state.document() as document:
                self._config = self._state.get("newest_config") + 1
                document["config"] = base64.b64encode(config.SerializeToString()).decode()
                self._state.set("newest_config", self._config)
            return self._config, added

    async def _catch_up(self) -> None:
        assert self._models is not None
        while self._state.get("newest_config") > self._config:
            async with self._applying:
                before = self._config
                config = self.newest_config()
                newest, self._config = self._config, before
                assert config is not None
                added = await self._models.apply(config)
                self._config = newest
            # Not waited for here: a folder that is not there yet must not hold up the next config.
            task = asyncio.get_running_loop().create_task(self._report(newest, added))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _report(self, number: int, added: Mapping[str, Any]) -> None:
        try:
            await self._answers(number, added)
        except StatusError as error:
            _log.error("worker %d: a config that was reloaded is in force: %s", self._number, error)

    async def _answers(self, number: int, added: Mapping[str, Any]) -> None:
        """Waits until the models that a config added answer here, and says so to the others."""
        assert self._models is not None
        outcome = -number
        try:
            await self._models.wait_for(added, "model")
            outcome = number
        finally:
            if number >= abs(self._state.get("config", self._number)):
                self._state.set("config", outcome, self._number)

    async def _others_answer(self, number: int) -> None:
        others = [other for other in range(self._state.processes) if other != self._number]
        while True:
            # One that does not answer yet (0) takes the newest config over before it does.
            rows = {other: self._state.get("config", other) for other in others}
            if failed := [other for other, row in rows.items() if row == -number]:
                raise StatusError(
                    Code.UNKNOWN,
                    "the config is in force, but a new model did not become available in worker "
                    f"{', '.join(map(str, failed))}; the server's log says why",
                )
            if not any(row and abs(row) < number for row in rows.values()):
                return
            await asyncio.sleep(_TICK_S / 4)

    # --- versions that end a process ----------------------------------------------
    @contextlib.asynccontextmanager
    async def trial(self, model: str, version: int, files: frozenset[Any]) -> AsyncIterator[None]:
        """Around the load of a version: one process loads a new one first, the others once it has lived.

        Raises:
          FatalVersionError: it ended the process that loaded it first.
        """
        # Other files under the same number are another version.
        digest = hashlib.sha256(repr(sorted(files)).encode()).hexdigest()
        key = f"{model}/{version} {digest}"
        while self._state.get("ready") and not self._may_load(key):
            await asyncio.sleep(_TICK_S / 4)
        loaded = False
        try:
            yield
            loaded = True
        finally:
            with self._state.document() as document:
                if document.get("loading", {}).get(key, [None])[0] == self._number:
                    del document["loading"][key]
                if loaded:
                    known = [each for each in document.get("loaded", ()) if each != key]
                    document["loaded"] = [*known, key][-_MAX_VERSIONS:]

    def _may_load(self, key: str) -> bool:
        with self._state.document() as document:
            fatal, loading = document.setdefault("fatal", {}), document.setdefault("loading", {})
            if key in document.get("loaded", ()):
                return True
            if key in loading and self._state.get("pid", loading[key][0]) != loading[key][1]:
                first = loading.pop(key)[0]
                how = way_of_ending(self._state.get("exit_code", first))
                fatal[key] = f"the version ended a process that loaded it: worker {first} {how}"
                for oldest in list(fatal)[:-_MAX_VERSIONS]:
                    del fatal[oldest]
            may_load = key not in fatal and key not in loading
            if may_load:
                loading[key] = [self._number, os.getpid()]
        # Not before: what an error interrupts is not written, and the others have to know it, too.
        if key in fatal:
            raise FatalVersionError(Code.INTERNAL, fatal[key])
        return may_load
