"""Tables and the display's lines."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path

import pytest

import contract
from pipeline.runs.run_records import NodeRun, Output, State
from pipeline.terminal.display import Display
from pipeline.terminal.table import table


def test_a_table_lines_up_numbers_to_the_right() -> None:
    assert table(("gate", "value", "why"), [("recall", "0.5", "x"), ("a", "-", "")]) == (
        "gate    value  why\n"
        "recall    0.5  x\n"
        "a           -"
    )  # fmt: skip
    assert table(("a", "b"), []) == "a  b"


def node(name: str, state: State, *, cached: bool = False) -> NodeRun:
    return NodeRun(name, state, cached, started=0.0, seconds=1.25, outputs={})


def test_in_a_pipe_one_line_per_component() -> None:
    stream = io.StringIO()
    with Display(stream) as display:
        display.planned(["example_gen", "trainer"])
        display.started("example_gen")
        display.finished(node("example_gen", State.RAN))
        display.started("trainer")
        display.progress(1, 2, "epoch 1")  # too soon after the start for a line
        display.finished(node("trainer", State.REFUSED, cached=True))
        display.failed("trainer", 3.0)
    assert stream.getvalue().splitlines() == [
        "✓ example_gen  ran         1.2 s",
        "✗ trainer      refused     1.2 s (cached)",
        "✗ trainer      failed      3.0 s",
    ]


def test_a_long_component_speaks_up_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("pipeline.terminal.display.time.monotonic", lambda: now)
    stream = io.StringIO()
    with Display(stream) as display:
        display.planned(["trainer"])
        display.started("trainer")
        for now in (1.0, 9.0, 11.0, 12.0, 22.0):
            display.progress(int(now), 30, "epoch")
    assert stream.getvalue().splitlines() == ["  trainer  11/30  epoch", "  trainer  22/30  epoch"]


def test_where_the_rows_went_is_told_beside_who_read_them(tmp_path: Path) -> None:
    rows = {"rows_in": 1005, "used": 1000, "bad": {"NaN": 2}, "left_out": {"outside start and end": 3}}
    clean = {"rows_in": 9, "used": 9, "bad": {}, "left_out": {}}
    (tmp_path / contract.ROWS).write_text(json.dumps({"ratings": rows, "items": clean}))
    outputs = {"quarantine": (Output("Quarantine", str(tmp_path), {}),)}
    stream = io.StringIO()
    with Display(stream) as display:
        display.planned(["example_gen"])
        display.finished(dataclasses.replace(node("example_gen", State.CACHED), outputs=outputs))
    assert stream.getvalue().splitlines()[1:] == [
        "    ratings: 1,005 rows = 1,000 used + 2 set aside + 3 left out (outside start and end)",
        "    items: 9 rows = 9 used + 0 set aside",
        f"    set aside: {tmp_path / contract.BAD_ROWS}",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_moves_and_goes() -> None:
    stream = Terminal()
    with Display(stream) as display:
        display.planned(["trainer"])
        display.started("trainer")
        display.progress(3, 30, "epoch 1/10")
        assert display._live is not None
        display._live.refresh()
        display.finished(node("trainer", State.RAN))
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "epoch 1/10" in plain
    assert "✓ trainer  ran         1.2 s" in plain
