"""The lines a run shows: one per component, alive on a terminal, plain in a pipe."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from pipeline.runs.run_records import NodeRun, State
from pipeline.terminal.rows import account_lines

_MARKS = {State.RAN: "✓", State.CACHED: "=", State.REFUSED: "✗", State.FAILED: "✗", State.SKIPPED: "-"}
_STYLES = {State.RAN: "green", State.CACHED: "dim", State.REFUSED: "yellow", State.FAILED: "bold red",
           State.SKIPPED: "dim"}  # fmt: skip
# In a pipe there is no bar; a long component still says now and then how far it is.
_SECONDS_BETWEEN_LINES = 10.0


class Display:
    """A `runs.local_runner.Listener` that writes to `stream`, and a progress listener."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, soft_wrap=True, highlight=False)
        self._width = 0
        self._total = 0
        self._done = 0
        self._live: Progress | None = None
        self._task: TaskID | None = None
        self._current = ""
        self._last_line = 0.0

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[text]}"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
                redirect_stdout=False,  # descriptors 1 and 2 belong to the log
                redirect_stderr=False,
            )
            self._live.start()
            # TensorFlow and TFX take seconds to import.
            self._task = self._live.add_task("loading", total=None, text="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def line(self, text: str, style: str = "") -> None:
        # A Text, since print's own `style` would colour the live line as well.
        self._console.print(Text(text, style))

    def planned(self, node_ids: Sequence[str]) -> None:
        self._width = max(map(len, node_ids), default=0)
        self._total = len(node_ids)

    def started(self, node_id: str) -> None:
        self._current = node_id
        self._last_line = time.monotonic()
        if self._live:
            self._drop_task()
            self._task = self._live.add_task(node_id, total=None, text=f"{self._done + 1}/{self._total}")

    def progress(self, done: int, total: int, text: str) -> None:
        """`components.common.progress.Listener`: how far the current component is."""
        if self._live and self._task is not None:
            self._live.update(self._task, completed=done, total=total, text=text)
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self.line(f"  {self._current:<{self._width}}  {done}/{total}  {text}".rstrip())

    def finished(self, outcome: NodeRun) -> None:
        note = " (cached)" if outcome.cached and outcome.state is State.REFUSED else ""
        self._close(outcome.node, outcome.state, outcome.seconds, note)
        for text in account_lines(outcome):
            self.line(f"    {text}", "dim")

    def failed(self, node_id: str, seconds: float) -> None:
        self._close(node_id, State.FAILED, seconds, "")

    def _close(self, node_id: str, state: State, seconds: float, note: str) -> None:
        self._drop_task()
        self._done += 1
        self.line(
            f"{_MARKS[state]} {node_id:<{self._width}}  {state:<7} {seconds:7.1f} s{note}", _STYLES[state]
        )

    def _drop_task(self) -> None:
        if self._live and self._task is not None:
            self._live.remove_task(self._task)
            self._live.refresh()  # or the next line would draw it once more
            self._task = None
