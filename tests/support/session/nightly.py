"""Nightly tests: each names the files that it guards, and is owed when one of them has changed.

`@pytest.mark.nightly("serving/model_server", "kubernetes/images/build.sh")` on a test; a folder stands
for all that is below it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--owed-since",
        metavar="REVISION",
        help="of the nightly tests only those that guard a file changed since REVISION, committed or not",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    revision = config.getoption("--owed-since")
    changed = changed_files(revision, config.rootpath) if revision else None
    dropped = []
    for item in items:
        marker = item.get_closest_marker("nightly")
        guarded = check_guards(item.nodeid, marker.args, config.rootpath) if marker else ()
        if changed is not None and not any(is_guarded(path, guarded) for path in changed):
            dropped.append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in set(dropped)]


def check_guards(test: str, guards: tuple[str, ...], root: Path) -> tuple[str, ...]:
    """The files and folders that a nightly test guards.

    Raises:
      pytest.UsageError: it names none, or one that is not there.
    """
    if not guards:
        raise pytest.UsageError(f'{test}: name what it guards: @pytest.mark.nightly("FILE OR FOLDER", ...)')
    for guard in guards:
        if not (root / guard).exists():
            raise pytest.UsageError(f"{test} guards {guard}, which is not there: name where it has moved to")
    return guards


def is_guarded(path: str, guards: tuple[str, ...]) -> bool:
    return any(path == guard or path.startswith(f"{guard}/") for guard in guards)


def changed_files(revision: str, root: Path) -> list[str]:
    """Paths below `root` changed since it left `revision`, with those that git does not know yet.

    Raises:
      pytest.UsageError: git does not know the revision.
    """
    found = []
    for command in (
        ("diff", "--name-only", "--no-renames", "--merge-base", revision, "--"),
        ("ls-files", "--others", "--exclude-standard"),
    ):
        done = subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise pytest.UsageError(f"--owed-since={revision}: {done.stderr.strip()}")
        found += done.stdout.splitlines()
    return found
