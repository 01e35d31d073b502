"""The command line: light to start, every command documented, every error an exit code."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import cli, errors
from pipeline.config.docs import documented_defaults
from pipeline.config.sections import Config
from pipeline.terminal.typed import typed


def command_parsers(parser: argparse.ArgumentParser, path: str = "") -> dict[str, argparse.ArgumentParser]:
    """Leaf commands by name: {"run": ..., "data sample": ...}."""
    found = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                deeper = command_parsers(inner, f"{path}{name} ")
                found.update(deeper or {f"{path}{name}": inner})
    return found


COMMANDS = command_parsers(cli.build_parser())


def test_all_commands_are_there() -> None:
    assert set(COMMANDS) == {
        "run", "refresh", "status", "gates", "serve", "pin", "unpin", "rollback", "retire", "forget",
        "report", "runs", "drift", "doctor", "recommend", "similar", "rate", "config",
        "leaderboard", "demo",
        "app migrate", "app keys create", "app keys list", "app keys rotate", "app keys revoke",
        "events export", "experiments report",
        "data check", "data fetch", "data sample",
        "kubeflow compile", "kubeflow lint", "kubeflow rehearse", "kubeflow submit",
    }  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_that_parses(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([*name.split(), "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "--json" in out
    assert f"marquee {name}" in out.split("example", 1)[1]


# --- errors ------------------------------------------------------------------------


def with_command(monkeypatch: pytest.MonkeyPatch, run: Callable[[Any], int]) -> None:
    parser = argparse.ArgumentParser()
    parser.set_defaults(run=run)
    monkeypatch.setattr(cli, "build_parser", lambda: parser)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"marquee {importlib.metadata.version('marquee')}\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), 2),
        (errors.InputError("x"), 2),
        (errors.LockedError("x"), 2),
        (errors.ComponentFailedError("trainer", "x"), 1),
        (errors.MarqueeError("x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def run(_: Any) -> int:
        raise error

    with_command(monkeypatch, run)
    assert cli.main([]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip().startswith("marquee: ")


def test_a_bug_leaves_one_line_and_a_file(tmp_path: Path) -> None:
    code = (
        "import argparse, sys; from pipeline import cli\n"
        "def run(_): raise ZeroDivisionError('oops')\n"
        "parser = argparse.ArgumentParser(); parser.set_defaults(run=run)\n"
        "cli.build_parser = lambda: parser\n"
        "sys.exit(cli.main([]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"TMPDIR": str(tmp_path)}
    )
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first == "marquee: unexpected ZeroDivisionError: oops"
    assert "Traceback" in Path(second.removeprefix("traceback: ")).read_text()


def test_a_reader_that_leaves_early_makes_no_noise() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code = "import sys; from pipeline import cli; sys.exit(cli.main(['config', '--defaults']))"
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.stderr == ""


# --- small commands -----------------------------------------------------------------


def test_config_prints_what_is_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["config", "--set", "trainer.epochs=3"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["trainer"]["epochs"] == 3
    assert set(shown) == set(Config.model_fields)
    assert cli.main(["config", "--set", "trainer.epochs=3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == shown
    assert cli.main(["config", "--defaults"]) == 0
    assert capsys.readouterr().out == documented_defaults()
    assert cli.main(["config", "--set", "trainer.epochs=x"]) == 2
    assert "marquee: trainer.epochs = 'x'" in capsys.readouterr().err


def test_data_sample_without_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As README and the config print it: only sizes and a seed."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", "sample", "--users", "30", "--items", "60", "--ratings", "700"]) == 0
    assert (tmp_path / "data" / "sample" / "ratings.csv").is_file()
    assert capsys.readouterr().out.splitlines()[-1].endswith("run --data data/sample")


def test_a_group_of_commands_has_an_example_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["data", "--help"])
    assert stop.value.code == 0
    assert "examples:\n  marquee data check data/ml-1m\n" in capsys.readouterr().out


def test_data_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = ["--users", "30", "--items", "60", "--ratings", "700", "--seed", "3"]
    assert cli.main(["data", "sample", str(tmp_path / "s"), *numbers, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["path"] == str(tmp_path / "s")
    assert (made["users"], made["items"], made["ratings"]) == (30, 60, 700)
    assert len((tmp_path / "s" / "ratings.csv").read_text().splitlines()) == 701

    assert cli.main(["data", "sample", str(tmp_path / "t"), "--users", "0"]) == 2
    assert "users must be at least 1" in capsys.readouterr().err


def test_status_and_gates_before_the_first_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = ["--set", f"artifacts={tmp_path / 'none'}"]
    assert cli.main(["status", *there]) == 0
    assert "no run in" in capsys.readouterr().out
    assert cli.main(["status", *there, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == []
    assert cli.main(["gates", *there]) == 2
    assert f"`{typed('run', *there)}` makes one" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
