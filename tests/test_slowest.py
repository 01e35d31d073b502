"""The order of the test files, and which of them run in one process."""

from __future__ import annotations

from pathlib import Path

from support.session.slowest import TOGETHER, group, read_list
from support.workspace import REPOSITORY


def test_the_list_names_files_that_are_there_the_longest_first() -> None:
    known = read_list()
    assert [name for name in known if not (REPOSITORY / name).is_file()] == []
    assert list(known.values()) == sorted(known.values(), reverse=True)


def test_a_list_is_read(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# seconds and file\n20.5\ttests/a.py\n3\ttests/b.py\n")
    assert read_list(tmp_path / "list") == {"tests/a.py": 20.5, "tests/b.py": 3.0}


def test_those_that_share_a_workspace_are_one_group() -> None:
    assert all((REPOSITORY / name).exists() for files in TOGETHER for name in files)
    assert group("tests/e2e/test_kinds.py") == group("tests/e2e/test_cache.py")
    assert group("tests/components/index/users/test_user_records.py") == group(
        "tests/components/index/test_x.py"
    )
    assert group("tests/e2e/test_kill.py") == "tests/e2e/test_kill.py"
    # Whoever runs in the shared workspace is in its group: two processes would wait for one another.
    using = [
        path
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        if path != Path(__file__) and "workspace_to_run_in" in path.read_text()
    ]
    assert {group(str(path.relative_to(REPOSITORY))) for path in using} == {TOGETHER[0][0]}
    assert len(using) == len(TOGETHER[0])
