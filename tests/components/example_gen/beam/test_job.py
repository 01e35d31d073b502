"""Files that workers leave for each other hold values, and nothing that runs."""

from __future__ import annotations

import collections
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.example_gen.beam import reading
from components.example_gen.beam.job import Job
from components.example_gen.reading.quarantine import BadRow, Quarantine


class Harm:
    """What runs when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))

    def __init__(self, path: Path) -> None:
        self.path = path


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(None, None, str(tmp_path / "work"))  # type: ignore[arg-type]


def test_what_is_kept_is_read_by_a_worker(job: Job) -> None:
    ids = pa.array(["ü", "", "a b"], pa.string())
    table = pa.table({"item": ids, "events": np.arange(3), "train_sum": [0.5, 1e-9, 3e300]})
    job.save(table, "some", "table")
    job.save_ids(ids, "some", "ids")
    job.save_ids(ids[:0], "none")
    job.save_json({"text": "half \udc80 of a pair", "number": 2**60, "nothing": None}, "some", "json")
    worker = pickle.loads(pickle.dumps(job))  # as Beam sends it
    assert worker.load("some", "table").equals(table)
    assert worker.load_ids("some", "ids") == worker.shared_ids("some", "ids") == ids
    assert worker.load_ids("none") == ids[:0]
    assert worker.load_json("some", "json")["text"] == "half \udc80 of a pair"
    assert worker.load_json("some", "json")["number"] == 2**60


def test_a_file_of_somebody_else_runs_no_code(job: Job, tmp_path: Path) -> None:
    harmed, raw = tmp_path / "harmed", pickle.dumps(Harm(tmp_path / "harmed"))
    for name in ("table", "ids", "json"):
        with job.new_file(name) as file:
            file.write(raw)
    for load in (job.load, job.load_ids, job.shared_ids, job.load_json):
        for name in ("table", "ids", "json"):
            with pytest.raises(ValueError):
                load(name)
    assert not harmed.exists()


def test_what_came_of_the_spans_is_told_in_their_order(job: Job) -> None:
    spans = []
    for number, lines in ((1, [7]), (0, [3, 5])):
        rows = [BadRow("ratings", f"{number}.csv", line, "kind", "half \udc80") for line in lines]
        job.save_json([vars(row) for row in rows], f"span-{number}", "bad")
        left_out = collections.Counter({"older": number + 1})
        spans.append(reading.SpanRead(number, 0, f"span-{number}", "rows", 10, 9, 5.0, 2**40, left_out, None))
    reading.keep_spans(spans, job)
    bad, left_out = Quarantine(keep=True), collections.Counter[str]()
    reading.replay(job, bad, left_out)
    assert [(row.file, row.line, row.reason) for row in bad.rows] == [
        ("0.csv", 3, "half \udc80"), ("0.csv", 5, "half \udc80"), ("1.csv", 7, "half \udc80"),
    ]  # fmt: skip
    assert left_out == {"older": 3} and bad.rows_in == {"ratings": 20}
