"""What a run prints, and the log beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from support.small_disk import grow, leave, small_disk

from pipeline.terminal.output import logs_to_file


def test_a_log_whose_disk_is_full_loses_lines_and_ends_no_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        log = disk / "run.log"
        with pytest.raises(ValueError, match="what went wrong"), logs_to_file(log) as terminal:
            sys.stdout.write("there is room" + "\n")
            filler = leave(disk, 0)
            for _ in range(2000):
                sys.stdout.write("x" * 1000 + "\n")
            os.write(1, b"")
            terminal.write("the terminal goes on\n")
            filler.unlink()
            grow(disk, 4096)
            sys.stdout.write("there is room again" + "\n")
            raise ValueError("what went wrong")
        text = log.read_text()
        assert text.startswith("there is room\n")
        assert "there is room again\n" in text
        assert "ValueError: what went wrong" in text
    sys.stdout.write("afterwards" + "\n")
    assert capfd.readouterr().out == "the terminal goes on\nafterwards\n"
