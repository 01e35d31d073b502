"""`marquee run`, `status` and `gates` as a user meets them, on a pipeline of four tiny components."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.pipelines import tiny_cli
from support.pipelines.tiny_pipeline import ran

from pipeline import cli
from pipeline.terminal.typed import typed

SCRIPT = Path(tiny_cli.__file__)


@pytest.fixture(autouse=True)
def _tiny_dag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.dag", tiny_cli.dag())
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # cli.main sets it


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


def arguments(command: str, root: Path, *more: str) -> list[str]:
    return [command, "--set", f"artifacts={root}", *more]


def log_of(root: Path) -> str:
    return max((root / "logs").iterdir()).read_text()


def test_pushed_then_cached(root: Path, data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = arguments("run", root, "--data", str(data))
    assert cli.main(run) == 0
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert lines[0] == f"data  {data} (as given)"
    assert lines[1] == "      movielens-csv: ratings.csv, movies.csv"
    assert lines[2].startswith(f"log   {root}/logs/run-")
    assert [line.split()[:3] for line in lines[3:7]] == [
        ["✓", name, "ran"] for name in ("make", "talk", "judge", "push")
    ]
    assert ["recall@10", "floor", "0.9", "0.5", "ok", "at", "least"] in [line.split() for line in lines]
    assert ["serving", "check", "-", "-", "ok"] in [line.split()[:5] for line in lines]
    assert f"pushed  {root}/serving_model/marquee/1" in lines
    named = ("--set", f"artifacts={root}")
    assert lines[-1] == f"next    {typed('recommend', *named, '--user', '1')}"
    assert err == ""

    # Nothing of the frameworks on the terminal, all of it in the log.
    log = log_of(root)
    for words in (
        "from print",
        "from logging",
        "from descriptor 2",
        "from a child process",
        '"name":"marquee"',
    ):
        assert words in log
        assert words not in out

    ran(root)
    assert cli.main(run) == 0
    out = capfd.readouterr().out
    assert ran(root) == []
    assert out.count(" cached ") == 4
    assert f"pushed  {root}/serving_model/marquee/1 (already there)" in out


def test_refused(root: Path, data: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("TINY_VALUE", "0.1")
    run = arguments("run", root, "--data", str(data))
    assert cli.main(run) == 3
    out = capfd.readouterr().out
    assert ["✗", "judge", "refused"] in [line.split()[:3] for line in out.splitlines()]
    assert ["recall@10", "floor", "0.1", "0.5", "refused", "below"] in [
        line.split() for line in out.splitlines()
    ]
    assert "refused: the model was not pushed" in out
    [report] = [line.split()[1] for line in out.splitlines() if line.startswith("report ")]
    assert "Refused: the model was not pushed" in Path(report).read_text()

    assert cli.main(run) == 3  # from the cache too
    out = capfd.readouterr().out
    assert "refused " in out and "(cached)" in out

    assert cli.main(arguments("gates", root)) == 0
    assert "not pushed" in capfd.readouterr().out
    assert cli.main(arguments("gates", root, "--slices")) == 2
    assert "the metrics of run" in capfd.readouterr().err
    assert cli.main(arguments("status", root)) == 0
    header, *rows = capfd.readouterr().out.splitlines()[:3]
    assert header.split()[-1] == "gates"
    assert [row[header.index("gates") :] for row in rows] == ["refused: recall@10 floor"] * 2
    assert cli.main(arguments("status", root, "--json")) == 0
    status = json.loads(capfd.readouterr().out)
    assert [run["state"] for run in status["runs"]] == ["refused", "refused"]


def test_a_report_that_cannot_be_written_fails_nothing(
    root: Path, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root.mkdir()
    (root / "reports").write_text("a file where the folder should be")
    assert cli.main(arguments("run", root, "--data", str(data))) == 0
    out = capfd.readouterr().out
    [line] = [line for line in out.splitlines() if line.startswith("report ")]
    assert "none: FileExistsError" in line and typed("report") in line
    assert "pushed " in out


def test_failed(root: Path, data: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("TINY_MODE", "own error")
    assert cli.main(arguments("run", root, "--data", str(data))) == 1
    out, err = capfd.readouterr()
    assert ["✗", "talk", "failed"] in [line.split()[:3] for line in out.splitlines()]
    assert "talk failed: feature year of split train: 12 items have year 3000\nfix movies.csv\n" in out
    assert out.splitlines()[-1] == f"log   {max((root / 'logs').iterdir())}"
    [report] = [line.split()[1] for line in out.splitlines() if line.startswith("report ")]
    assert "12 items have year 3000" in Path(report).read_text()
    assert "Traceback" not in out + err
    assert "Traceback" in log_of(root)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("data error", "talk failed: ratings.csv, line 3: rating is '7', expected 0.5 to 5.0"),
        ("data check error", "items, split train, feature year: Out-of-range values: 3000"),
    ],
)
def test_bad_data_is_bad_input(
    root: Path, data: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any, mode: str, reason: str
) -> None:
    monkeypatch.setenv("TINY_MODE", mode)
    assert cli.main(arguments("run", root, "--data", str(data))) == 2
    out, _ = capfd.readouterr()
    assert ["✗", "talk", "failed"] in [line.split()[:3] for line in out.splitlines()]
    assert reason in out
    assert cli.main(arguments("run", root, "--data", str(data), "--json")) == 2
    assert json.loads(capfd.readouterr().out)["failed"] == "talk"


def test_json_has_stdout_to_itself(root: Path, data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments("run", root, "--data", str(data), "--json")) == 0
    out, err = capfd.readouterr()
    summary = json.loads(out)
    assert summary["state"] == "pushed"
    assert summary["pushed"] == f"{root}/serving_model/marquee/1"
    assert [node["node"] for node in summary["components"]] == ["make", "talk", "judge", "push"]
    assert summary["gates"][0]["ok"] is True
    assert Path(summary["log"]).is_file()
    assert "✓ make" in err

    assert cli.main(arguments("gates", root, "--json")) == 0
    assert json.loads(capfd.readouterr().out)["run"] == summary["run"]
    assert cli.main(arguments("gates", root, "--run", "nope")) == 2
    assert "no run nope" in capfd.readouterr().err


def test_a_wrong_data_path_is_bad_input(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments("run", root, "--data", str(tmp_path / "nowhere"))) == 2
    err = capfd.readouterr().err
    assert f"data = {tmp_path}/nowhere" in err
    assert "is not a file or folder" in err


@pytest.mark.parametrize("command", ["run", "status", "gates"])
def test_a_metadata_store_that_is_down_is_named(
    root: Path, data: Path, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    url = "mysql://user:swordfish@127.0.0.1:1/marquee"
    more = ["--set", f"metadata={url}", *(["--data", str(data)] if command == "run" else [])]
    assert cli.main(arguments(command, root, *more)) == 1
    out, err = capfd.readouterr()
    assert "marquee: the metadata store mysql://user:***@127.0.0.1:1/marquee cannot be opened" in err
    assert "swordfish" not in out + err
    assert "swordfish" not in "".join(log.read_text() for log in root.glob("logs/*"))


# --- runs that end early ---------------------------------------------------------


@pytest.fixture
def sleeping(root: Path, data: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that hangs in its second component."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments("run", root, "--data", str(data))],
        env={**os.environ, "TINY_MODE": "sleep"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    trace = root / "trace"
    deadline = time.monotonic() + 120
    while not (trace.exists() and "sleeping" in trace.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield process
    process.kill()
    process.wait()


def test_a_second_run_waits_and_a_killed_one_hinders_nobody(
    sleeping: subprocess.Popen[str], root: Path, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = arguments("run", root, "--data", str(data))
    assert cli.main(run) == 2
    err = capfd.readouterr().err
    assert f"(process {sleeping.pid}) is using {root}" in err
    assert "--set artifacts=PATH" in err
    cli.main(arguments("status", root, "--json"))
    assert json.loads(capfd.readouterr().out)["runs"][0]["state"] == "running"

    sleeping.kill()
    sleeping.wait()
    cli.main(arguments("status", root, "--json"))
    status = json.loads(capfd.readouterr().out)["runs"][0]
    assert status["state"] == "unfinished"
    assert [node["state"] for node in status["components"]] == ["ran", "unfinished"]

    # `make` had finished: what the killed run left is no obstacle, and is used.
    ran(root)
    assert cli.main(run) == 0
    assert ran(root) == ["talk", "judge", "push"]
    assert cli.main(run) == 0
    assert ran(root) == []


def test_ctrl_c(sleeping: subprocess.Popen[str]) -> None:
    sleeping.send_signal(signal.SIGINT)
    _, err = sleeping.communicate(timeout=30)
    assert sleeping.returncode == 130
    (interrupted,) = [line for line in err.splitlines() if "interrupted" in line]
    assert interrupted.startswith(f"marquee: interrupted; `{typed('run')} --set artifacts=")
    assert interrupted.endswith("` goes on from what was finished")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("date", "words"),
    [
        ("soon", "--since must be a date such as 2018-09-26"),
        ("90d", "--since must be a date such as 2018-09-26"),
        ("2998-01-01", "--since is 2998-01-01, which is yet to come"),
    ],
)
def test_since_is_a_date_that_was(
    root: Path, data: Path, date: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments("run", root, "--data", str(data), "--since", date)) == 2
    assert words in capfd.readouterr().err


def test_since_is_the_window_of_one_run(root: Path, data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    more = ("--data", str(data), "--set", "example_gen.window=30", "--since", "2018-09-26")
    assert cli.main(arguments("run", root, *more)) == 0
    capfd.readouterr()
    config = re.search(r"config (\{.*\})", log_of(root))
    assert config is not None
    assert json.loads(config[1])["example_gen"]["window"] == "2018-09-26"
