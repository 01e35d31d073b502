"""Files that workers leave for each other are taken from this job's workers alone."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from components.example_gen.beam.job import Job


class Harm:
    """What runs when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))

    def __init__(self, path: Path) -> None:
        self.path = path


def job(work: Path) -> Job:
    return Job(None, None, str(work))  # type: ignore[arg-type]


def test_what_this_job_kept_is_read_by_its_workers(tmp_path: Path) -> None:
    ours = job(tmp_path)
    ours.save([1, "a"], "some", "name")
    worker = pickle.loads(pickle.dumps(ours))  # as Beam sends it
    assert worker.load("some", "name") == worker.shared("some", "name") == [1, "a"]


def test_a_file_of_somebody_else_runs_no_code(tmp_path: Path) -> None:
    ours, harmed = job(tmp_path), tmp_path / "harmed"
    ours.save({}, "catalogue")
    ours.save({}, "seen")
    raw = pickle.dumps(Harm(harmed))
    for content in (raw, bytes(32) + raw, b""):
        (tmp_path / "catalogue").write_bytes(content)
        with pytest.raises(ValueError, match="catalogue is not what this run wrote"):
            ours.load("catalogue")
    # Nor is one of the job's own files under another name, or one of another job.
    (tmp_path / "catalogue").write_bytes((tmp_path / "seen").read_bytes())
    with pytest.raises(ValueError, match="is not what this run wrote"):
        ours.load("catalogue")
    with pytest.raises(ValueError, match="is not what this run wrote"):
        job(tmp_path).load("seen")
    assert not harmed.exists()
