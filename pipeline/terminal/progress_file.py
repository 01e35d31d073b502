"""How far a run is, as a document that others may read while it goes on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.runs.run_records import NodeRun, State

if TYPE_CHECKING:
    from pipeline.terminal.display import Display

# A component reports each training step; readers look about once a second.
_SECONDS_BETWEEN_WRITES = 0.5


class ProgressFile:
    """A `local_runner.Listener` and progress listener that writes to `path` and tells `display` too.

    The document: `state` (running, pushed, refused or failed), `planned` (components in order),
    `done` (each with node, state and seconds), `current`, and of that `at`, `total` and `text`;
    `error` of a failure.
    It is replaced as a whole, so a reader never meets half of one.
    """

    def __init__(self, path: Path, display: Display) -> None:
        self._path = path
        self._display = display
        self._written = 0.0
        self._document: dict[str, Any] = {"state": "running", "planned": [], "done": [], "error": ""}
        self._now("", 0, 0, "")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write()

    def planned(self, node_ids: Sequence[str]) -> None:
        self._display.planned(node_ids)
        self._document["planned"] = list(node_ids)
        self._write()

    def started(self, node_id: str) -> None:
        self._display.started(node_id)
        self._now(node_id, 0, 0, "")
        self._write()

    def progress(self, done: int, total: int, text: str) -> None:
        self._display.progress(done, total, text)
        self._now(self._document["current"], done, total, text)
        if time.monotonic() - self._written >= _SECONDS_BETWEEN_WRITES:
            self._write()

    def finished(self, outcome: NodeRun) -> None:
        self._display.finished(outcome)
        self._close(outcome.node, outcome.state, outcome.seconds)

    def failed(self, node_id: str, seconds: float) -> None:
        self._display.failed(node_id, seconds)
        self._close(node_id, State.FAILED, seconds)

    def end(self, state: str, error: str = "") -> None:
        """Says how the run ended: pushed, refused or failed."""
        self._document |= {"state": state, "error": error}
        self._now("", 0, 0, "")
        self._write()

    def _close(self, node: str, state: State, seconds: float) -> None:
        self._document["done"].append({"node": node, "state": str(state), "seconds": round(seconds, 1)})
        self._now("", 0, 0, "")
        self._write()

    def _now(self, node: str, at: int, total: int, text: str) -> None:
        self._document |= {"current": node, "at": at, "total": total, "text": text}

    def _write(self) -> None:
        self._written = time.monotonic()
        unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        unfinished.write_text(json.dumps(self._document))
        unfinished.replace(self._path)
