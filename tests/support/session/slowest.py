"""Seconds of each test file: printed, kept in tests/slowest.tsv, and the order in which files run.

With `--dist loadfile` a file goes to one process whole, and with it the files that share what takes long
to make. The longest go first, so that both processes end at about the same time; a file that the list
does not know goes after those it does.
"""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

LIST = Path(__file__).parents[2] / "slowest.tsv"
LEAST_S = 10.0  # files below are not kept
PRINTED = 25
# Files, or folders, whose tests run in one process: the first of each is the group's name.
TOGETHER = (
    # They run in one workspace, one after the other: conftest.workspace_to_run_in.
    ("tests/e2e/test_cache.py", "tests/e2e/test_final_fit.py", "tests/e2e/test_gates_refuse.py",
     "tests/e2e/test_kinds.py", "tests/e2e/lifecycle/test_refresh.py",
     "tests/pipeline/commands/application/test_demo.py",
     "tests/pipeline/commands/application/test_loop.py"),
    ("tests/pipeline/commands/",),
    ("tests/components/index/",),
)  # fmt: skip

_seconds = pytest.StashKey[collections.Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-slowest",
        action="store_true",
        help=f"write {LIST.name}: seconds of each test file that took {LEAST_S:g} or more",
    )


def read_list(path: Path = LIST) -> dict[str, float]:
    """Test file, relative to the repository -> seconds, the longest first."""
    rows = (line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#"))
    return {name: float(seconds) for seconds, name in rows}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seconds: collections.Counter[str] = collections.Counter()
    for name, spent in read_list().items():
        seconds[group(name)] += spent
    items.sort(key=lambda item: -seconds[group(_file(item.nodeid))])


def group(name: str) -> str:
    """What a test file runs with: itself, or the first of its group."""
    return next((files[0] for files in TOGETHER if name.startswith(files)), name)


class _Groups(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return group(_file(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Groups | None:
    return _Groups(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_seconds] = collections.Counter()
    config.pluginmanager.register(_Clock(config.stash[_seconds]), "marquee-clock")


class _Clock:
    def __init__(self, seconds: collections.Counter[str]) -> None:
        self._seconds = seconds

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[_file(report.nodeid)] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    seconds = config.stash[_seconds]
    if config.getoption("durations") is None:
        return
    terminalreporter.section(f"slowest {PRINTED} files")
    for name, spent in seconds.most_common(PRINTED):
        terminalreporter.write_line(f"{spent:8.1f}s {name}")
    if config.getoption("--write-slowest"):
        rows = [f"{spent:.0f}\t{name}" for name, spent in seconds.most_common() if spent >= LEAST_S]
        head = "# seconds and test file, on 2 cores, by the command in docs/develop/testing.md"
        LIST.write_text("\n".join([head, *rows, ""]))


def _file(node_id: str) -> str:
    return node_id.partition("::")[0]
