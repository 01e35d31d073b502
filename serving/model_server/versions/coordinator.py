"""What should be loaded, and when traffic moves: the part of TensorFlow Serving's manager that decides.

It drives one replica (this process) or several (worker processes) alike and
imports no TensorFlow.

A version goes START -> LOADING -> AVAILABLE -> UNLOADING -> END. A new version
is loaded and warmed by every replica before any of them routes to it, and the
old one is freed only once something else answers. All replicas change over by
one write to shared memory, so nobody sees versions go back and forth.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.process import cpus
from serving.model_server.process.options import ServerOptions
from serving.model_server.versions import version_folders
from serving.model_server.versions.config_rules import check_config
from serving.model_server.versions.lifecycle import Action, ConfiguredModel, Version
from serving.model_server.versions.servables import Route, State, Table, VersionStatus
from serving.protocol.errors import Code, StatusError

_log = logging.getLogger(__name__)

# Models that load at the same time before any answers.
INITIAL_LOAD_THREADS = 4 * cpus.whole()
# Versions that ended and are still reported, per model.
_KEPT_ENDED = 32
# Models that were removed and whose versions are still reported.
_KEPT_REMOVED = 100


class ReplicaDiedError(Exception):
    """The process that a command was sent to is gone; the text says how."""


class Replica(Protocol):
    """What loads and serves: a Manager, or a worker process with one."""

    async def configure(self, config: model_server_config_pb2.ModelServerConfig) -> None: ...
    async def load(self, name: str, version: int, path: str) -> None: ...
    async def prepare(self, table: Table) -> None: ...
    async def commit(self) -> None: ...
    async def unload(self, name: str, version: int) -> None: ...


class Coordinator:
    """Keeps what is loaded as the config and the file system ask for.

    Args:
      options: polling, retries and what labels may point to.
      set_epoch: puts the table that every replica has confirmed in force.
      on_bug: called if a task ends that must not; versions stand still from then on.
    """

    def __init__(
        self,
        options: ServerOptions,
        set_epoch: Callable[[int], None],
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._options = options
        self._set_epoch = set_epoch
        self._on_bug = on_bug
        self._replicas: list[Replica] = []
        self._config = model_server_config_pb2.ModelServerConfig()
        self._models: dict[str, ConfiguredModel] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._removed: dict[str, tuple[VersionStatus, ...]] = {}
        self._epoch = 0
        self._table = Table()
        self.processes: dict[str, int] = {}
        self._publish_lock = asyncio.Lock()
        self._reload_lock = asyncio.Lock()
        # At the start nothing answers yet: all models load at once, as in TensorFlow Serving.
        self._load_slots = asyncio.Semaphore(INITIAL_LOAD_THREADS)
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life -------------------------------------------------------------------
    async def start(self, replicas: Sequence[Replica]) -> None:
        """Applies the config of the options and returns when every model answers.

        A model whose folder is missing or empty is waited for.

        Raises:
          StatusError: the config is refused, or a model did not load.
        """
        self._replicas = list(replicas)
        await self._apply(self._options.config)
        self._spawn(self._poll_versions())
        if self._options.model_config_file and self._options.model_config_file_poll_wait_seconds > 0:
            self._spawn(self._poll_config())
        await self._wait_for(self._models, "servable")
        self._load_slots = asyncio.Semaphore(max(1, self._options.num_load_threads))

    async def stop(self) -> None:
        """Decides nothing any more. What is loaded stays."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_bug(error)

    # --- replicas that come and go ------------------------------------------------
    async def join(self, replica: Replica) -> None:
        """Brings a replica up to what the others serve, then counts on it.

        Raises:
          StatusError: it cannot load what the others serve.
          ReplicaDiedError: it died meanwhile.
        """
        loaded: set[tuple[str, Version]] = set()
        while True:
            wanted = set(self._available())
            for name, version in wanted - loaded:
                await replica.load(name, version.number, version.path)
            for name, version in loaded - wanted:
                await replica.unload(name, version.number)
            loaded = wanted
            async with self._publish_lock:
                if set(self._available()) != wanted:
                    continue
                # From here on it gets what the others get: nothing is awaited in between.
                self._replicas.append(replica)
                await replica.configure(self._config)
                await replica.prepare(self._table)
                await replica.commit()
                break
        await self._publish()

    def leave(self, replica: Replica) -> None:
        """A replica died."""
        if replica in self._replicas:
            self._replicas.remove(replica)

    def _available(self) -> list[tuple[str, Version]]:
        return [
            (model.name, version)
            for model in self._models.values()
            for version in model.in_state(State.AVAILABLE)
        ]

    async def _each(
        self, command: Callable[[Replica], Any], replicas: Sequence[Replica] | None = None
    ) -> None:
        """Sends one command to every replica and waits for all; one that dies is no error."""
        asked = list(self._replicas if replicas is None else replicas)
        results = await asyncio.gather(*(command(replica) for replica in asked), return_exceptions=True)
        for replica, result in zip(asked, results, strict=True):
            if isinstance(result, ReplicaDiedError):
                self.leave(replica)
            elif isinstance(result, BaseException):
                raise result

    async def _publish(self) -> None:
        """Routes and statuses as they are now come into force everywhere at once."""
        async with self._publish_lock:
            self._epoch += 1
            table = Table(self._epoch, self._routes(), self._statuses(), dict(self.processes))
            await self._each(lambda replica: replica.prepare(table))
            self._table = table
            self._set_epoch(self._epoch)
            await self._each(lambda replica: replica.commit())
        async with self._changed:
            self._changed.notify_all()

    def _routes(self) -> dict[str, Route]:
        routes = {}
        for name, model in self._models.items():
            numbers = tuple(sorted((v.number for v in model.in_state(State.AVAILABLE)), reverse=True))
            routes[name] = Route(numbers[0] if numbers else None, numbers, self._labels.get(name, {}))
        return routes

    def _statuses(self) -> dict[str, tuple[VersionStatus, ...]]:
        return {**self._removed, **{name: model.statuses() for name, model in self._models.items()}}

    # --- config -------------------------------------------------------------------
    async def reload(self, config: model_server_config_pb2.ModelServerConfig) -> None:
        """Replaces the whole config and waits until its new models answer.

        Raises:
          StatusError: the config is refused, and nothing has changed; or UNKNOWN: a new
            model did not load, and the config is in force.
        """
        if config.WhichOneof("config") is None:
            return  # as TensorFlow Serving: "Taking no action for empty config."
        # In a task of its own: half a config must not come into force because who asked gave up.
        added = await asyncio.shield(asyncio.ensure_future(self._apply(config)))
        await self._wait_for(added, "model")

    async def _apply(self, config: model_server_config_pb2.ModelServerConfig) -> dict[str, ConfiguredModel]:
        """Puts a config in force; returns the models that are new."""
        async with self._reload_lock:
            check_config(config, self._config)
            labels = self._checked_labels(config)
            await self._each(lambda replica: replica.configure(config))
            configured = {model.name: model for model in config.model_config_list.config}
            added = {}
            for name, model_config in configured.items():
                model = self._models.get(name)
                if model is None:
                    model = added[name] = self._models[name] = ConfiguredModel(model_config)
                    self._spawn(self._drive(model))
                elif model.config.base_path != model_config.base_path and model.versions:
                    model.say(
                        "moved",
                        f"its folder is {model_config.base_path} from now on; a version that is loaded from "
                        f"{model.config.base_path} stays as it is until it is unloaded",
                    )
                model.config = model_config
                model.removed = False
            for name, model in self._models.items():
                if name not in configured:
                    model.removed = True
                    self._aspire(model, {})
            self._labels = labels
            self._config = config
            await self._publish()
            await self._poll_once()
            return added

    def _checked_labels(self, config: Any) -> dict[str, dict[str, int]]:
        labels: dict[str, dict[str, int]] = {}
        for model_config in config.model_config_list.config:
            model = self._models.get(model_config.name)
            for label, number in model_config.version_labels.items():
                before = self._labels.get(model_config.name, {}).get(label)
                allowed = self._options.allow_version_labels_for_unavailable_models and before in (
                    None,
                    number,
                )
                version = model.versions.get(number) if model else None
                if not allowed and (version is None or version.state is not State.AVAILABLE):
                    raise StatusError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label to version {number} of model {model_config.name}, "
                        "which is not currently available for inference",
                    )
                labels.setdefault(model_config.name, {})[label] = number
        return labels

    async def _wait_for(self, models: Mapping[str, ConfiguredModel], noun: str) -> None:
        async with self._changed:
            await self._changed.wait_for(
                lambda: all(model.settled or model.removed for model in models.values())
            )
        bad = [m for m in models.values() if not m.removed and not m.in_state(State.AVAILABLE)]
        if not bad:
            return
        details = "".join(
            f"{{{{name: {model.name} version: {version.number}}} due to error: "
            f"{version.code.name}: {version.message}}}, "
            for model in bad
            for version in model.in_state(State.END)
            if version.failed
        )
        raise StatusError(Code.UNKNOWN, f"{len(bad)} {noun}(s) did not become available: {{{details}}}")

    async def _poll_config(self) -> None:
        path = self._options.model_config_file
        while True:
            await asyncio.sleep(self._options.model_config_file_poll_wait_seconds)
            from serving.model_server.versions import config_files

            try:
                config = await asyncio.to_thread(config_files.read_model_config, path)
                if config != self._config:
                    await self.reload(config)
                    _log.info("%s is in force", path)
            except StatusError as error:
                _log.error("%s was not applied: %s", path, error)

    # --- file system ----------------------------------------------------------------
    async def _poll_versions(self) -> None:
        seconds = self._options.file_system_poll_wait_seconds
        while seconds > 0:
            await asyncio.sleep(seconds)
            await self._poll_once()

    async def _poll_once(self) -> None:
        if self._options.file_system_poll_wait_seconds < 0:
            return
        for model in [model for model in self._models.values() if not model.removed]:
            base_path = model.config.base_path
            try:
                found = await asyncio.to_thread(version_folders.find, base_path)
            except OSError as error:
                keeps = "what is loaded stays" if model.in_state(State.AVAILABLE) else "waiting for it"
                model.say("path", f"cannot look into {base_path}: {error.strerror or error}; {keeps}")
                continue
            if model.removed or model.config.base_path != base_path:
                continue  # the config changed meanwhile
            model.unsay("path")
            await self._reconcile(model, found)

    async def _reconcile(self, model: ConfiguredModel, found: version_folders.Found) -> None:
        """Brings what is wanted in line with what lies there."""
        for path in found.duplicates:
            model.say(path, f"{path} is passed over: another folder has the same number")
        for number, path in found.incomplete.items():
            model.say(
                f"incomplete {number}",
                f"version {number} at {path} holds no saved_model.pb yet; waiting for it",
            )
        policy = model.config.model_version_policy
        if policy.WhichOneof("policy_choice") == "specific":
            for number in policy.specific.versions:
                if number not in found.complete:
                    model.say(
                        f"specific {number}", f"version {number}, which the config asks for, is not there"
                    )
        if not found.complete:
            if found.incomplete:
                return  # on its way: what is loaded stays until it is there
            model.say(
                "empty",
                f"no version under {model.config.base_path}: expected folders named by a number, such as "
                f"{model.config.base_path}/1",
            )
            if model.in_state(State.AVAILABLE) and self._options.servable_versions_always_present:
                return
        else:
            model.unsay("empty")
        await self._retry_changed(model, found.complete)
        model.found = found.complete
        self._aspire(model, found.complete)

    async def _retry_changed(self, model: ConfiguredModel, found: Mapping[int, str]) -> None:
        """A version that failed starts anew once its files are others and have come to rest."""
        for version in model.versions.values():
            if not version.failed or version.loading or version.number not in found:
                continue
            files = await asyncio.to_thread(version_folders.fingerprint, found[version.number])
            settled = files == version.changed
            version.changed = files
            if settled and files and files != version.tried and version.state in (State.END, State.LOADING):
                _log.info(
                    "model %s: the files of version %d changed: loading it anew", model.name, version.number
                )
                version.state, version.tries, version.due = State.START, 0, 0.0
                version.path = found[version.number]
                version.tried = files

    def _aspire(self, model: ConfiguredModel, found: Mapping[int, str]) -> None:
        failed = [version.number for version in model.versions.values() if version.failed]
        serving = [version for version in model.in_state(State.AVAILABLE) if not version.failed]
        # Versions that stand in for newer failed ones stay until those load.
        newest = version_folders.aspired(found, model.config.model_version_policy)
        stand_in = any(number in failed for number in newest) and not any(v.number in newest for v in serving)
        wanted = newest
        if stand_in:
            wanted = version_folders.aspired(found, model.config.model_version_policy, failed, stand_in=True)
            for number in sorted(set(wanted) - set(newest)):
                if number not in model.versions or model.versions[number].state is State.END:
                    model.say("stand-in", f"version {number} stands in for newer ones that do not load")
        for number in wanted:
            known = model.versions.get(number)
            if known is None or (known.state is State.END and not known.aspired):
                model.versions[number] = Version(number, found[number])
            else:
                known.aspired = True
        for version in model.versions.values():
            if version.number not in wanted:
                version.aspired = False
        model.wake.set()

    # --- one model at a time ----------------------------------------------------------
    async def _drive(self, model: ConfiguredModel) -> None:
        while True:
            model.wake.clear()
            action, version, wait = model.next_action()
            if version is None:
                if model.removed and not model.in_state(
                    State.START, State.LOADING, State.AVAILABLE, State.UNLOADING
                ):
                    await self._forget(model)
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(model.wake.wait(), wait)
            elif action is Action.LOAD:
                async with self._load_slots:
                    if version.aspired:
                        await self._load(model, version)
            elif action is Action.DROP:
                version.state = State.END
                await self._publish()
            else:
                await self._retire(model, version)

    async def _load(self, model: ConfiguredModel, version: Version) -> None:
        version.state = State.LOADING
        if not version.tries:
            version.code, version.message = Code.OK, ""
        await self._publish()
        version.tried = await asyncio.to_thread(version_folders.fingerprint, version.path)
        version.changed = frozenset()
        _log.info("model %s: loading version %d from %s", model.name, version.number, version.path)
        started = time.monotonic()
        version.loading = True
        try:
            await self._load_everywhere(model.name, version)
        except StatusError as error:
            await self._failed(model, version, error)
            return
        finally:
            version.loading = False
        version.state, version.code, version.message, version.tries = State.AVAILABLE, Code.OK, "", 0
        model.unsay("stand-in")
        await self._publish()
        _log.info(
            "model %s: version %d answers, loaded in %.1f s",
            model.name,
            version.number,
            time.monotonic() - started,
        )
        # What stood in or was served before may go now.
        self._aspire(model, model.found if not model.removed else {})

    async def _load_everywhere(self, name: str, version: Version) -> None:
        """Loads a version into every replica.

        While something answers one replica goes first: if the version kills
        its process, the others live.
        """
        if not self._replicas:
            raise StatusError(Code.UNAVAILABLE, "no worker process is running")
        loaded: list[Replica] = []
        try:
            if self._available() and len(self._replicas) > 1:
                loaded.append(self._replicas[0])
                await self._load_first(self._replicas[0], name, version)
            # Again for those that joined meanwhile.
            while missing := [replica for replica in self._replicas if replica not in loaded]:
                loaded += missing
                await self._each(lambda replica: replica.load(name, version.number, version.path), missing)
            if not self._replicas:
                version.tries = self._options.max_num_load_retries  # as in `_load_first`
                raise StatusError(Code.INTERNAL, "every process that loaded the version ended")
        except StatusError:
            await self._each(lambda replica: replica.unload(name, version.number))
            raise

    async def _load_first(self, replica: Replica, name: str, version: Version) -> None:
        try:
            await replica.load(name, version.number, version.path)
        except ReplicaDiedError as error:
            self.leave(replica)
            version.tries = self._options.max_num_load_retries  # not again: it would kill the next one
            raise StatusError(
                Code.INTERNAL, f"the version ended a process that loaded it: {error}"
            ) from error

    async def _failed(self, model: ConfiguredModel, version: Version, error: StatusError) -> None:
        version.code, version.message = error.code, error.message
        retries = self._options.max_num_load_retries
        if version.tries >= retries:
            version.state = State.END
            plan = "given up until its files change"
        else:
            version.tries += 1
            wait = max(0.0, self._options.load_retry_interval_micros / 1e6)
            version.due = time.monotonic() + wait
            plan = f"try {version.tries} of {retries} follows in {wait:g} s"
        serving = [str(v.number) for v in model.in_state(State.AVAILABLE)]
        goes_on = (
            f"version {', '.join(serving)} goes on answering" if serving else "nothing answers for this model"
        )
        _log.error(
            "model %s: version %d does not load: %s; %s; %s", model.name, version.number, error, plan, goes_on
        )
        self._aspire(model, model.found if not model.removed else {})
        await self._publish()

    async def _retire(self, model: ConfiguredModel, version: Version) -> None:
        version.state = State.UNLOADING
        await self._publish()
        # In a task of its own: requests that take long do not hold up the next version.
        self._spawn(self._unload(model, version))

    async def _unload(self, model: ConfiguredModel, version: Version) -> None:
        await self._each(lambda replica: replica.unload(model.name, version.number))
        version.state = State.START if version.aspired else State.END  # wanted again meanwhile
        ended = sorted(v.number for v in model.in_state(State.END) if not v.aspired)
        for number in ended[:-_KEPT_ENDED]:
            del model.versions[number]
        _log.info("model %s: version %d is unloaded", model.name, version.number)
        await self._publish()
        model.wake.set()

    async def _forget(self, model: ConfiguredModel) -> None:
        if self._models.get(model.name) is model:
            del self._models[model.name]
            self._removed[model.name] = model.statuses()
            for name in list(self._removed)[:-_KEPT_REMOVED]:
                del self._removed[name]
            _log.info("model %s: removed by the config", model.name)
            await self._publish()
