"""Which nightly tests a change owes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.session.nightly import is_guarded

TESTS = """
import pytest

@pytest.mark.nightly("server", "one.py")
def test_server(): pass

@pytest.mark.nightly("other")
def test_other(): pass

def test_quick(): pass
"""


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("server/a.py", "other/b.py", "one.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "test_all.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = nightly\n")
    (tmp_path / ".gitignore").write_text("__pycache__\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def collect(folder: Path, *arguments: str) -> tuple[list[str], str]:
    """Names of the tests, and all that was printed."""
    command = [sys.executable, "-m", "pytest", "-p", "support.session.nightly", "-p", "no:cacheprovider"]
    path = str(Path(__file__).parent)
    done = subprocess.run(
        [*command, "--collect-only", "-q", "-m", "nightly", *arguments],
        cwd=folder, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    names = [line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    return names, done.stdout + done.stderr


def test_those_whose_files_changed_are_owed(repository: Path) -> None:
    assert collect(repository)[0] == ["test_server", "test_other"]
    assert collect(repository, "--owed-since=HEAD")[0] == []
    (repository / "server" / "new.py").write_text("")
    assert collect(repository, "--owed-since=HEAD")[0] == ["test_server"]
    git(repository, "rm", "-q", "other/b.py")
    (repository / "other").mkdir()
    git(repository, "commit", "-qm", "second")
    assert collect(repository, "--owed-since=HEAD~1")[0] == ["test_server", "test_other"]


def test_a_guard_that_moved_is_an_error(repository: Path) -> None:
    git(repository, "mv", "one.py", "two.py")
    assert "test_server guards one.py, which is not there" in collect(repository)[1]


def test_an_unknown_revision_is_an_error(repository: Path) -> None:
    assert "--owed-since=nothing" in collect(repository, "--owed-since=nothing")[1]


def test_a_folder_stands_for_what_is_below_it() -> None:
    assert is_guarded("server/a/b.py", ("server",))
    assert is_guarded("one.py", ("server", "one.py"))
    assert not is_guarded("server_of_another_kind/a.py", ("server",))
