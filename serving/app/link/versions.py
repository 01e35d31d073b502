"""Which versions answer at present: looked at in the background, swapped as a whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import structlog

from serving.app.background import Background
from serving.app.edge import metrics
from serving.app.errors import NotReadyError
from serving.app.link import snapshot as snapshots
from serving.app.link.files import Files, FilesError
from serving.app.link.snapshot import Snapshot
from serving.client import AsyncClient, ServingError

_log = structlog.get_logger(__name__)
# How long a version that is no longer routed is kept for requests under way and cursors.
_KEEP_S = 120.0


class Versions:
    """Snapshots of the served versions.

    Args:
      client: asks the model server.
      files: where a version's catalogue is.
      label: of the version that answers by default; "" for the newest.
      poll_s: seconds between looks.
    """

    def __init__(self, client: AsyncClient, files: Files, label: str, poll_s: float) -> None:
        self._client = client
        self._files = files
        self._default = label
        self._poll_s = poll_s
        self._labels: set[str] = {label}
        self._current: dict[str, Snapshot] = {}
        self._loaded: dict[int, Snapshot] = {}
        self._unrouted: dict[int, float] = {}
        self._lock = asyncio.Lock()
        self._background = Background()
        self._problems: dict[str, str] = {}
        self.problem = "the model server has not been asked yet"

    def current(self, label: str | None = None) -> Snapshot:
        """The version that answers now.

        Args:
          label: of the version; none or "" for the default.

        Raises:
          NotReadyError: none has been seen since this process started.
        """
        found = self._current.get(label or self._default)
        if found is None:
            problem = self._problems.get(label or self._default, self.problem)
            raise NotReadyError(f"no version of the model is known yet: {problem}")
        return found

    def of(self, version: int) -> Snapshot | None:
        """A version that is, or was a moment ago, served."""
        return self._loaded.get(version)

    async def watch(self, labels: Iterable[str]) -> dict[str, str]:
        """Follows these labels beside the default; looks at once where one is new.

        Returns:
          Those of which no version is known, with what the model server or its files said.
        """
        wanted = {self._default, *labels}
        self._labels = wanted
        if not wanted <= self._current.keys():
            await self.look()
        missing = sorted(wanted - self._current.keys() - {self._default})
        return {label: self._problems.get(label, self.problem) for label in missing}

    async def start(self) -> None:
        """Looks once, then in the background."""
        await self.look()
        self._background.start(self.look, self._poll_s)

    async def stop(self) -> None:
        await self._background.stop()

    async def look(self) -> None:
        """Asks which versions are served and loads new ones; what fails is logged, and kept.

        `problem` is that of the default label, "" where it answers.
        """
        async with self._lock:
            problems: dict[str, str] = {}
            for label in sorted(self._labels):
                try:
                    version = await self._client.resolve(label=label or None)
                    self._current[label] = await self._snapshot(version)
                except ServingError as error:
                    problems[label] = f"{error.target}: {error.code.name}: {error.message}"
                except FilesError as error:
                    problems[label] = str(error)
            for label, problem in problems.items():
                if problem != self._problems.get(label):
                    _log.warning("model_server_look_failed", label=label, problem=problem)
            self._problems, self.problem = problems, problems.get(self._default, "")
            if self._default in self._current:
                metrics.MODEL_VERSION.set(self._current[self._default].version)
            self._forget()

    async def _snapshot(self, version: int) -> Snapshot:
        if version not in self._loaded:
            started = time.perf_counter()
            self._loaded[version] = await snapshots.load(self._files, self._client.model, version)
            _log.info(
                "model_version_loaded",
                version=version,
                items=len(self._loaded[version].catalogue),
                seconds=round(time.perf_counter() - started, 3),
            )
        return self._loaded[version]

    def _forget(self) -> None:
        self._current = {label: found for label, found in self._current.items() if label in self._labels}
        routed = {found.version for found in self._current.values()}
        now = time.monotonic()
        for version in list(self._loaded):
            if version in routed:
                self._unrouted.pop(version, None)
            elif now - self._unrouted.setdefault(version, now) > _KEEP_S:
                del self._loaded[version], self._unrouted[version]
