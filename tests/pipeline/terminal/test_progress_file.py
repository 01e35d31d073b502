"""The document of a run's progress, as whoever reads it finds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.runs.run_records import NodeRun, State
from pipeline.terminal.progress_file import ProgressFile


class Heard:
    """A display that remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.calls.append(name)


def test_the_document_says_how_far_the_run_is_and_the_display_hears_all(tmp_path: Path) -> None:
    path, heard = tmp_path / "demo" / "progress.json", Heard()

    def read() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    file = ProgressFile(path, heard)  # type: ignore[arg-type]
    assert read() == {
        "state": "running", "planned": [], "done": [], "error": "",
        "current": "", "at": 0, "total": 0, "text": "",
    }  # fmt: skip
    file.planned(["reader", "trainer", "pusher"])
    file.started("reader")
    assert (read()["current"], read()["planned"]) == ("reader", ["reader", "trainer", "pusher"])
    file.finished(NodeRun("reader", State.RAN, False, 0.0, 1.25, {}))
    file.started("trainer")
    file._written = 0.0
    file.progress(3, 8, "epoch 3/8")
    assert (read()["at"], read()["total"], read()["text"]) == (3, 8, "epoch 3/8")
    assert read()["done"] == [{"node": "reader", "state": "ran", "seconds": 1.2}]
    file.failed("trainer", 2.0)
    file.end("failed", "trainer: out of memory")
    assert (read()["state"], read()["error"], read()["current"]) == ("failed", "trainer: out of memory", "")
    assert read()["done"][-1]["state"] == "failed"
    assert heard.calls == ["planned", "started", "finished", "started", "progress", "failed"]
    assert [file.name for file in path.parent.iterdir()] == ["progress.json"]
