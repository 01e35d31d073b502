"""Seconds of each test file: printed, kept in tests/slowest.tsv, and the order in which files run.

With `--dist loadfile` a file goes to one process whole. The longest go first, so that both processes
end at about the same time; a file that the list does not know goes after those it does.
"""

from __future__ import annotations

import collections
from pathlib import Path

import pytest

LIST = Path(__file__).parents[1] / "slowest.tsv"
LEAST_S = 10.0  # files below are not kept
PRINTED = 25

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
    order = {name: place for place, name in enumerate(read_list())}
    items.sort(key=lambda item: order.get(_file(item.nodeid), len(order)))


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
