"""The run that test processes share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.runs.shared_run import RUN, SharedRun, alone


@pytest.mark.timeout(20)
def test_who_only_reads_does_not_wait_for_who_runs(tmp_path: Path) -> None:
    (tmp_path / "read").mkdir()
    (tmp_path / "read" / RUN).write_text("{}")
    (tmp_path / "fresh").mkdir()
    with SharedRun(tmp_path).to_run_in():
        assert SharedRun(tmp_path).to_read.folder == tmp_path / "read"


def test_one_at_a_time_runs_in_it(tmp_path: Path) -> None:
    with alone(tmp_path / "lock"), pytest.raises(BlockingIOError):
        held_elsewhere(tmp_path / "lock")


def held_elsewhere(path: Path) -> None:
    """What another process would find, which opens the file anew."""
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
