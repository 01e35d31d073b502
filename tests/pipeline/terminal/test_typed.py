"""What a message tells the reader to type works as it stands."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from pipeline.cli import build_parser
from pipeline.terminal.typed import about_config, typed


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`marquee` in an environment that is not active."""
    script = tmp_path / "project" / ".venv" / "bin" / "marquee"
    script.parent.mkdir(parents=True)
    script.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    return script


def test_the_name_alone_where_the_shell_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert typed("recommend", "--user", "1") == "marquee recommend --user 1"


def test_else_the_path_from_the_current_folder(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(script.parents[2])
    assert typed("run") == ".venv/bin/marquee run"
    monkeypatch.chdir(script.parents[3])
    assert typed("run") == "project/.venv/bin/marquee run"


def test_the_whole_path_from_elsewhere(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert typed("run") == f"{script} run"


def test_an_argument_with_spaces_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    assert typed("run", "--data", "my data") == "marquee run --data 'my data'"


def test_no_script_at_all_still_names_the_command(script: Path) -> None:
    script.unlink()
    assert typed("run") == "marquee run"


@pytest.mark.parametrize(
    "proposed",
    [
        ["run"], ["gates"], ["status"], ["runs"], ["report"], ["drift"], ["serve"], ["rollback", "7"],
        ["unpin", "7"], ["forget", "anna", "--delete"], ["recommend", "--user", "anna"],
    ],
)  # fmt: skip
def test_a_proposal_is_about_the_same_config(proposed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a roll-back would be of another place's model."""
    monkeypatch.setattr(shutil, "which", lambda name: name)
    with about_config(["--config", "shop", "--set", "artifacts=my runs"]):
        _, *words = shlex.split(typed(*proposed))
        args = build_parser().parse_args(words)
        assert (args.config, args.overrides) == ("shop", ["artifacts=my runs"])
        assert typed("app", "migrate") == "marquee app migrate"
        assert typed("run", "--config", "sample") == "marquee run --config sample"
    assert typed("run") == "marquee run"
