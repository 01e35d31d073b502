"""CPUs that a container leaves to the server."""

import os

import pytest

from serving.model_server.execution.batching.options import BatchingOptions
from serving.model_server.process import cpus


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", None),  # no limit
        ("50000 100000\n", 0.5),
        ("25000 50000\n", 0.5),
        ("6400000 100000\n", None),  # more than there are
    ],
)
def test_the_containers_limit_counts_where_it_is_lower(tmp_path, text, expected):
    limit = tmp_path / "cpu.max"
    limit.write_text(text)
    everything = len(os.sched_getaffinity(0))
    assert cpus.available(limit) == (min(everything, 64) if expected is None else expected)


def test_without_a_container_all_cpus_of_the_process_count(tmp_path):
    assert cpus.available(tmp_path / "missing") == len(os.sched_getaffinity(0))


def test_threads_are_whole_and_at_least_one(monkeypatch):
    for available, threads in ((0.3, 1), (1.0, 1), (1.5, 2), (8.0, 8)):
        monkeypatch.setattr(cpus, "available", lambda available=available: available)
        assert cpus.whole() == threads
        assert BatchingOptions().num_batch_threads == threads
