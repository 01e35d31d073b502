"""The committed reference pages are what the code says, and say all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

import contract
from components.common.metrics.registry import METRICS
from pipeline.cli import COMMANDS
from pipeline.config.reader import key_paths
from pipeline.reference.pages import PAGES

FOLDER = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_page_is_what_the_code_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # whatever the terminal
    assert (FOLDER / name).read_text() == PAGES[name](), "the code changed: make docs"


def test_every_command_key_signature_and_flag_has_its_line() -> None:
    from serving.model_server.process.options import FLAGS

    commands = (FOLDER / "command-line.md").read_text()
    assert [name for name in COMMANDS if f"\n## marquee {name.rpartition('.')[2]}" not in commands] == []
    keys = (FOLDER / "config.md").read_text()
    assert [path for path, _ in key_paths() if f"\n### `{path}`\n" not in keys] == []
    metrics = (FOLDER / "metrics.md").read_text()
    assert [metric.name for metric in METRICS if f"\n| `{metric.name}` |" not in metrics] == []
    signatures = (FOLDER / "signatures.md").read_text()
    assert [name for name in contract.SIGNATURES if f"\n## {name}\n" not in signatures] == []
    flags = (FOLDER / "model-server-flags.md").read_text()
    assert [flag.name for flag in FLAGS if f"\n| `--{flag.name}` |" not in flags] == []
