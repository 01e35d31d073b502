"""What should be loaded, and when traffic moves: the part of TensorFlow Serving's manager that decides.

It imports no TensorFlow. Of several worker processes each has its own and polls
for itself.

A version goes START -> LOADING -> AVAILABLE -> UNLOADING -> END. A new version
is loaded and warmed before requests are routed to it, and the old one is freed
only once something else answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.process import cpus
from serving.model_server.process.options import ServerOptions
from serving.model_server.versions import version_folders
from serving.model_server.versions.config_rules import check_config
from serving.model_server.versions.lifecycle import Action, ConfiguredModel, FatalVersionError, Version
from serving.model_server.versions.servables import Manager, Route, State, Table, VersionStatus
from serving.protocol.errors import Code, StatusError

_log = logging.getLogger(__name__)

# Models that load at the same time before any answers.
INITIAL_LOAD_THREADS = 4 * cpus.whole()
# Versions that ended and are still reported, per model.
_KEPT_ENDED = 32
# Models that were removed and whose versions are still reported.
_KEPT_REMOVED = 100


# Around the load of a version: (model, version, its files). Raises StatusError if it must not be loaded.
Trial = Callable[[str, int, frozenset[Any]], contextlib.AbstractAsyncContextManager[None]]


def no_trial(model: str, version: int, files: frozenset[Any]) -> contextlib.AbstractAsyncContextManager[None]:
    """Of the only process: there is no other one that could try a version first."""
    return contextlib.nullcontext()


class Coordinator:
    """Keeps what is loaded as the config and the file system ask for.

    Args:
      options: polling, retries and what labels may point to.
      manager: loads versions and routes to them.
      on_bug: called if a task ends that must not; versions stand still from then on.
      trial: goes around every load.
    """

    def __init__(
        self,
        options: ServerOptions,
        manager: Manager,
        on_bug: Callable[[BaseException], None],
        trial: Trial = no_trial,
    ) -> None:
        self._options = options
        self._manager = manager
        self._on_bug = on_bug
        self._trial = trial
        self._allowed_paths = tuple(filter(None, options.allowed_paths.split(",")))
        self._config = model_server_config_pb2.ModelServerConfig()
        self._models: dict[str, ConfiguredModel] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._removed: dict[str, tuple[VersionStatus, ...]] = {}
        self._reload_lock = asyncio.Lock()
        # At the start nothing answers yet: all models load at once, as in TensorFlow Serving.
        self._load_slots = asyncio.Semaphore(INITIAL_LOAD_THREADS)
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life -------------------------------------------------------------------
    async def start(self, in_force: bool = False) -> None:
        """Applies the config of the options and returns when every model answers.

        A model whose folder is missing or empty is waited for.

        Args:
          in_force: whether another process of the server has taken the config: its labels
            point to versions that answer there, and are still to be loaded here.

        Raises:
          StatusError: the config is refused, or a model did not load.
        """
        await self.apply(self._options.config, in_force)
        self._spawn(self._poll_versions())
        if self._options.model_config_file and self._options.model_config_file_poll_wait_seconds > 0:
            self._spawn(self._poll_config())
        await self.wait_for(self._models, "servable")
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

    async def _publish(self) -> None:
        """Routes and statuses as they are now come into force."""
        self._manager.publish(Table(self._routes(), self._statuses()))
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
        # In a task of its own: half a config must not come into force because the client gave up.
        added = await asyncio.shield(asyncio.ensure_future(self.apply(config)))
        await self.wait_for(added, "model")

    async def apply(
        self, config: model_server_config_pb2.ModelServerConfig, in_force: bool = False
    ) -> dict[str, ConfiguredModel]:
        """Puts a config in force; returns the models that are new.

        Args:
          config: the whole of it.
          in_force: as `start` has it.

        Raises:
          StatusError: it is refused, and nothing has changed.
        """
        async with self._reload_lock:
            check_config(config, self._config, self._allowed_paths)
            labels = self._checked_labels(config, in_force)
            self._manager.configure(config)
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

    def _checked_labels(self, config: Any, in_force: bool) -> dict[str, dict[str, int]]:
        labels: dict[str, dict[str, int]] = {}
        for model_config in config.model_config_list.config:
            model = self._models.get(model_config.name)
            for label, number in model_config.version_labels.items():
                before = self._labels.get(model_config.name, {}).get(label)
                allowed = in_force or (
                    self._options.allow_version_labels_for_unavailable_models and before in (None, number)
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

    async def wait_for(self, models: Mapping[str, ConfiguredModel], noun: str) -> None:
        """Waits until every model answers, or was removed.

        Raises:
          StatusError: UNKNOWN: one did not load. `noun` is what the text calls it.
        """
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
                    # By the manager: of several processes, one that starts later gets it as well.
                    await self._manager.reload(config)
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
                elif not await asyncio.to_thread(version_folders.is_kept, found.complete[number]):
                    model.say(
                        f"specific {number}",
                        f"version {number}, which the config asks for, is not pinned: the pipeline's "
                        f"retention will delete it; `marquee pin {number}` keeps it",
                    )
                else:
                    model.unsay(f"specific {number}")
        if not found.complete:
            if found.incomplete:
                return  # on its way: what is loaded stays until it is there
            model.say(
                "empty",
                f"no version under {model.config.base_path}: expected folders named by a number, such as "
                f"{model.config.base_path}/1",
            )
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
        # A pinned version whose folder the publisher deleted must not take the last one that answers along.
        keep = self._options.servable_versions_always_present and not model.removed
        if keep and not wanted and serving:
            numbers = ", ".join(str(version.number) for version in serving)
            model.say(
                "kept", f"no version that the policy wants is there; version {numbers} goes on answering"
            )
            return
        model.unsay("kept")
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
            async with self._trial(model.name, version.number, version.tried):
                await self._manager.load(model.name, version.number, version.path)
        except StatusError as error:
            if isinstance(error, FatalVersionError):
                version.tries = self._options.max_num_load_retries
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
        await self._manager.unload(model.name, version.number)
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
