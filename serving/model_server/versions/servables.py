"""Which versions of which models answer in this process.

A manager loads and frees versions and keeps the routes to them. What should be
loaded, and when traffic moves, is the coordinator's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import contract
from contract.description import Description
from serving.protocol.errors import Code, StatusError

if TYPE_CHECKING:
    from tensorflow_serving.config import model_server_config_pb2

    from serving.model_server.execution.runtime import Model
    from serving.model_server.observe.metrics import Metrics

_log = logging.getLogger(__name__)

# Seconds after which a version that cannot be freed is mentioned (again).
_REMIND_S = 60.0


class State(enum.IntEnum):
    """get_model_status_pb2.ModelVersionStatus.State, without the import of TensorFlow's stubs."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """What GetModelStatus says of a version."""

    version: int
    state: State
    code: Code = Code.OK
    message: str = ""


@dataclasses.dataclass(frozen=True)
class Route:
    """Where the requests for one model go.

    Attributes:
      latest: version for requests that name none; None while there is none.
      versions: every version that a request may name.
      labels: label -> version, which need not be loaded.
    """

    latest: int | None = None
    versions: tuple[int, ...] = ()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)


class Servable:
    """A loaded version that requests run on.

    A caller that runs the model beyond the `with` block of `Manager.acquire` (a batch
    of requests that were cancelled) holds it by `retain` until `release`.
    """

    def __init__(
        self,
        name: str,
        version: int,
        model: Model,
        load_seconds: float = 0.0,
        description: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.model = model
        self.load_seconds = load_seconds
        self.description = description
        self._refs = 0
        self._lock = threading.Lock()
        self._retired = False
        self._drained: Callable[[], object] = lambda: None

    def retain(self) -> None:
        with self._lock:
            self._refs += 1

    def release(self) -> None:
        with self._lock:
            self._refs -= 1
            if self._retired and not self._refs:
                self._drained()

    def __enter__(self) -> Servable:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    async def drained(self) -> None:
        """Returns when the last request is through; none is routed here any more."""
        loop = asyncio.get_running_loop()
        drained = asyncio.Event()
        with self._lock:
            self._retired = True
            # The last one may end in a batch thread.
            self._drained = lambda: loop.call_soon_threadsafe(drained.set)
            if not self._refs:
                drained.set()
        while not drained.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(drained.wait(), _REMIND_S)
            if not drained.is_set():
                _log.warning(
                    "%s version %d was replaced and still has requests; it is freed when they end",
                    self.name,
                    self.version,
                )


@dataclasses.dataclass(frozen=True)
class Table:
    """Routes and statuses of one moment.

    Attributes:
      routes: by model.
      statuses: by model, newest version first.
    """

    routes: Mapping[str, Route] = dataclasses.field(default_factory=dict)
    statuses: Mapping[str, tuple[VersionStatus, ...]] = dataclasses.field(default_factory=dict)


# Loads and warms the version at a path; blocks. Raises StatusError.
Loader = Callable[[str], "Model"]
# Reloads under way in a process. One waits for its models until its caller's deadline, or for ever.
MOST_RELOADS = 16
# HandleReloadConfigRequest: replaces the config everywhere. Raises StatusError.
Reload = Callable[["model_server_config_pb2.ModelServerConfig"], Awaitable[None]]


class Manager:
    """The versions loaded in this process. To be used from one event loop.

    Args:
      load: makes a model of a version's folder.
      metrics: told of versions that come and go.
    """

    def __init__(self, load: Loader, metrics: Metrics) -> None:
        self._load = load
        self._metrics = metrics
        self._loaded: dict[tuple[str, int], Servable] = {}
        self._table = Table()
        self._latest: dict[str, Servable] = {}
        self._routed: dict[tuple[str, int], Servable] = {}
        self._models: tuple[str, ...] = ()
        # A thread that loads has memory of its own in the C library (malloc's arena).
        # A version keeps its thread while it is loaded, so that the next one is not
        # laid into its gaps: memory grew by some megabytes with every version.
        self._loaders: dict[tuple[str, int], ThreadPoolExecutor] = {}
        self._free_loaders: list[ThreadPoolExecutor] = []
        self._unload_pool = ThreadPoolExecutor(1, "unload")
        self._config_listeners: list[Callable[[model_server_config_pb2.ModelServerConfig], None]] = []
        self.reload_config: Reload | None = None
        self._reloads = 0

    # --- for requests -----------------------------------------------------------
    def acquire(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """The version a request runs on, held until its `with` block ends.

        Raises:
          StatusError: NOT_FOUND or INVALID_ARGUMENT, with TensorFlow Serving's texts.
        """
        if version is None and label is None:
            servable = self._latest.get(name)
        else:
            if label is not None:
                version = self._version_of(name, label)
            assert version is not None
            servable = self._routed.get((name, version))
        if servable is None:
            if not name:
                raise StatusError(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
            asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {asked}")
        servable.retain()
        return servable

    def statuses(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> tuple[VersionStatus, ...]:
        """States of a model's versions, newest first, or of the one that is named.

        Raises:
          StatusError: NOT_FOUND or INVALID_ARGUMENT, with TensorFlow Serving's texts.
        """
        if label is not None:
            version = self._version_of(name, label)
        found = self._table.statuses.get(name, ())
        if version is not None:
            found = tuple(status for status in found if status.version == version)
            if not found:
                raise StatusError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
        if not found:
            raise StatusError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        return found

    def models(self) -> tuple[str, ...]:
        """Names of the configured models, loaded or not."""
        return self._models

    async def reload(
        self, config: model_server_config_pb2.ModelServerConfig, counters: Sequence[str] = ()
    ) -> dict[str, int]:
        """Replaces the whole config and waits until its new models answer.

        Args:
          config: the new one.
          counters: names of metrics, with slashes or colons.

        Returns:
          By how much each counter has grown meanwhile; 0 for what is none.

        Raises:
          StatusError: the config is refused, or too many reloads wait (nothing changed); or a new
            model did not load.
        """
        if self.reload_config is None:
            raise StatusError(Code.UNAVAILABLE, "the server is starting or stopping")
        if self._reloads >= MOST_RELOADS:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                f"{MOST_RELOADS} reloads wait for models whose folders are missing or still loading, as many "
                "as the server keeps; give them deadlines, or reload a config without those models by "
                "--model_config_file",
            )
        before = {name: self._metrics.counter(name) for name in counters}
        self._reloads += 1
        try:
            await self.reload_config(config)
        finally:
            self._reloads -= 1
        return {name: self._metrics.counter(name) - value for name, value in before.items()}

    def on_config(self, listener: Callable[[model_server_config_pb2.ModelServerConfig], None]) -> None:
        """`listener` is called with every config that comes into force; it may refuse it by a StatusError."""
        self._config_listeners.append(listener)

    def _version_of(self, name: str, label: str) -> int:
        if not name:
            raise StatusError(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        route = self._table.routes.get(name)
        if route is None or label not in route.labels:
            raise StatusError(Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}")
        return route.labels[label]

    # --- for the coordinator ----------------------------------------------------
    def configure(self, config: model_server_config_pb2.ModelServerConfig) -> None:
        """A config comes into force.

        Raises:
          StatusError: a listener refuses it; nothing has changed.
        """
        for listener in self._config_listeners:
            listener(config)
        self._models = tuple(model.name for model in config.model_config_list.config)
        self._metrics.set_models(self._models)

    async def load(self, name: str, version: int, path: str) -> None:
        """Loads and warms a version; no request reaches it yet.

        Raises:
          StatusError: it cannot be served.
        """
        if (name, version) in self._loaded:
            return
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        loader = self._free_loaders.pop() if self._free_loaders else ThreadPoolExecutor(1, "load")
        try:
            model = await loop.run_in_executor(loader, self._load, path)
            seconds = time.perf_counter() - started
            described = await loop.run_in_executor(loader, description_of, path)
        except BaseException as error:
            self._free_loaders.append(loader)
            if isinstance(error, StatusError) or not isinstance(error, Exception):
                raise
            # Whatever a broken model does to its loader, the server goes on.
            _log.exception("%s version %d", name, version)
            raise StatusError(Code.INTERNAL, f"{path}: {type(error).__name__}: {error}") from error
        self._loaded[name, version] = Servable(name, version, model, seconds, described)
        self._loaders[name, version] = loader

    def publish(self, table: Table) -> None:
        """Puts routes and statuses in force, from the next request on. What is routed to is loaded."""
        before = self._routed
        self._table = table
        self._latest, self._routed = {}, {}
        for name, route in table.routes.items():
            for version in route.versions:
                self._routed[name, version] = self._loaded[name, version]
            if route.latest is not None:
                self._latest[name] = self._loaded[name, route.latest]
        for key in before.keys() - self._routed.keys():
            self._metrics.version_unloaded(*key)
        for key in self._routed.keys() - before.keys():
            servable = self._routed[key]
            size = None if servable.description is None else int(servable.description["items"])
            self._metrics.version_loaded(*key, servable.load_seconds, size)

    async def unload(self, name: str, version: int) -> None:
        """Frees a version that no route leads to, once its last request is through."""
        servable = self._loaded.pop((name, version), None)
        if servable is None:
            return
        await servable.drained()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._unload_pool, servable.model.close)
        self._free_loaders.append(self._loaders.pop((name, version)))

    def routed(self) -> dict[str, tuple[int, ...]]:
        """Versions that answer, by model."""
        return {name: route.versions for name, route in self._table.routes.items() if route.versions}

    async def close(self) -> None:
        """Frees everything. No request may be under way."""
        self._latest, self._routed = {}, {}
        for name, version in list(self._loaded):
            await self.unload(name, version)
        for loader in (*self._free_loaders, *self._loaders.values()):
            loader.shutdown(wait=False, cancel_futures=True)
        self._unload_pool.shutdown(wait=False)


def description_of(path: str) -> dict[str, Any] | None:
    """What a model of ours says of itself (`contract.description`); None for any other."""
    from tensorflow.python.framework import errors
    from tensorflow.python.lib.io import file_io

    file = f"{path.rstrip('/')}/{contract.ASSETS_EXTRA}/{contract.DESCRIPTION}"
    try:
        if not file_io.file_exists_v2(file):
            return None
        document = json.loads(file_io.read_file_to_string(file))
        Description.of(document)
        # Written at the push, after the description: where it lies in the version's folder.
        card = f"{contract.ASSETS_EXTRA}/{contract.MODEL_CARD}"
        carried = {"model_card": card} if file_io.file_exists_v2(f"{path.rstrip('/')}/{card}") else {}
        return {**document, **carried}
    except (
        errors.OpError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        _log.warning("the description is not read: %s: %s: %s", file, type(error).__name__, error)
        return None
