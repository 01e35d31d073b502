"""Names, labels and buckets as TensorFlow Serving prints them; sums over processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.model_server.observe import metrics, series
from serving.model_server.observe.metrics import Metrics, ProcessInfo
from serving.protocol.errors import Code

REPOSITORY = Path(__file__).parents[4]
REQUEST = '{model_name="m",API="Predict",entrypoint="GRPC"'


def lines(counted: Metrics) -> list[str]:
    return counted.render().decode().splitlines()


@pytest.fixture
def counted() -> Metrics:
    made = Metrics()
    made.set_models(["m"])
    return made


def test_a_request_is_counted(counted: Metrics) -> None:
    counted.observe_request("m", metrics.PREDICT, metrics.GRPC, Code.OK, 0.001)
    counted.observe_request("m", metrics.PREDICT, metrics.GRPC, Code.INVALID_ARGUMENT, 5.0)
    found = lines(counted)
    assert "# TYPE :tensorflow:serving:request_count counter" in found
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 1' in found
    assert ':tensorflow:serving:request_count{model_name="m",status="INVALID_ARGUMENT"} 1' in found
    assert "# TYPE :tensorflow:serving:request_latency histogram" in found
    # Only what was answered has a latency.
    assert f":tensorflow:serving:request_latency_count{REQUEST}}} 1" in found
    assert f":tensorflow:serving:request_latency_sum{REQUEST}}} 1000" in found
    assert f':tensorflow:serving:request_latency_bucket{REQUEST},le="612.22"}} 0' in found
    assert f':tensorflow:serving:request_latency_bucket{REQUEST},le="1102"}} 1' in found
    assert f':tensorflow:serving:request_latency_bucket{REQUEST},le="+Inf"}} 1' in found


def test_buckets() -> None:
    # monitoring::Buckets::Exponential(10, 1.8, 33): about 20 minutes at the end.
    assert len(metrics.LATENCY_BUCKETS) == 33
    assert metrics.LATENCY_BUCKETS[:3] == (10, 18, pytest.approx(32.4))
    assert metrics.LATENCY_BUCKETS[-1] == pytest.approx(10 * 1.8**32)
    assert len(metrics.QUEUE_BUCKETS) == 52
    assert tuple(2.0**i for i in range(15)) == metrics.COUNT_BUCKETS


@pytest.mark.parametrize("value", [0, 9.99, 10, 10.01, 1e3, 1e12])
def test_a_value_lands_in_the_bucket_that_prometheus_client_would_choose(
    value: float, counted: Metrics
) -> None:
    counted.observe_runtime("m", metrics.PREDICT, value / 1e6)
    theirs = prometheus_client.Histogram("x", "x", buckets=metrics.LATENCY_BUCKETS, registry=None)
    theirs.observe(value / 1e6 * 1e6)
    [family] = theirs.collect()
    expected = [sample.value for sample in family.samples if sample.name == "x_bucket"]
    found = [line for line in lines(counted) if ":runtime_latency_bucket{" in line]
    assert [float(line.rpartition(" ")[2]) for line in found] == expected


def test_batches(counted: Metrics) -> None:
    counted.observe_batch("batch_threads", 5, 3, [0.001, 0.002])
    found = lines(counted)
    pool = '{thread_pool_name="batch_threads"}'
    name = ":tensorflow:serving:batching_session:"
    assert f"{name}wrapped_run_count{{}} 1" in found
    assert f"{name}input_batch_size_sum{pool} 5" in found
    assert f"{name}processed_batch_size_sum{pool} 8" in found
    assert f"{name}padding_size_sum{pool} 3" in found
    assert f"{name}queuing_latency_count{pool} 2" in found
    assert f"{name}queuing_latency_sum{pool} 3000" in found


def test_examples_and_warm_up(counted: Metrics) -> None:
    counted.observe_examples("m", 3)
    counted.observe_warmup('/a "b"\\c', Code.OK, 0.5)
    counted.count_load("/a/1", True)
    counted.count_load("/a/2", False)
    counted.count_load("/a/2", False)
    found = lines(counted)
    assert ':tensorflow:serving:request_example_count_total{model="m"} 3' in found
    assert ':tensorflow:serving:request_example_counts_sum{model="m"} 3' in found
    assert r':tensorflow:serving:model_warmup_latency_count{model_path="/a \"b\"\\c",status="OK"} 1' in found
    attempts = ":tensorflow:cc:saved_model:load_attempt_count"
    assert f'{attempts}{{model_path="/a/1",status="success"}} 1' in found
    assert f'{attempts}{{model_path="/a/2",status="fail"}} 2' in found


def test_names_from_clients_do_not_fill_the_memory(counted: Metrics) -> None:
    for number in range(1000):
        counted.observe_request(f"x{number}", metrics.PREDICT, metrics.REST, Code.NOT_FOUND, 0.001)
    found = [line for line in lines(counted) if line.startswith(":tensorflow:serving:request_count{")]
    assert found == [':tensorflow:serving:request_count{model_name="(unknown)",status="NOT_FOUND"} 1000']


def test_versions_come_and_go(counted: Metrics) -> None:
    counted.version_loaded("m", 7, 1.5, 9742)
    counted.version_loaded("m", 8, 2.5, None)
    found = lines(counted)
    assert 'marquee:serving:loaded_version{model_name="m",version="7"} 7' in found
    assert 'marquee:serving:index_size{model_name="m",version="7"} 9742' in found
    assert 'marquee:serving:load_seconds{model_name="m",version="8"} 2.5' in found
    assert not any('index_size{model_name="m",version="8"' in line for line in found)
    counted.version_unloaded("m", 7)
    assert not any('version="7"' in line for line in lines(counted))


def test_prometheus_can_read_it(counted: Metrics) -> None:
    counted.observe_request("m", metrics.PREDICT, metrics.GRPC, Code.OK, 0.001)
    counted.version_loaded("m", 7, 1.5, 9742)
    families = {family.name for family in text_string_to_metric_families(counted.render().decode())}
    assert {":tensorflow:serving:request_latency", "process_resident_memory_bytes"} <= families


def test_process_memory_is_what_the_system_says(counted: Metrics) -> None:
    [line] = [line for line in lines(counted) if line.startswith("process_resident_memory_bytes{")]
    assert line.startswith('process_resident_memory_bytes{process="server"} ')
    status = Path("/proc/self/status").read_text()
    resident = int(status.partition("VmRSS:")[2].split()[0]) * 1024
    assert float(line.rpartition(" ")[2]) == pytest.approx(resident, rel=0.05)


COUNT = """
import os, signal, sys
from serving.model_server.observe.metrics import Metrics
from serving.protocol.errors import Code
worker, times, paths, *files = map(int, sys.argv[1:])
counted = Metrics(files, worker)
counted.set_models(["m"])
for number in range(times):
    counted.observe_request("m", "Predict", "GRPC", Code.OK, 0.001)
    counted.observe_batch("batch_threads", 2, 0, [0.001])
    if number < paths:
        counted.observe_warmup(f"/path/{number}", Code.OK, 1.0)
counted.version_loaded("m", 7, 1.5, 9742)
counted.set_queue_length("m", 4)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def files() -> Iterator[list[int]]:
    made = [os.memfd_create("metrics") for _ in range(3)]
    yield made
    for descriptor in made:
        os.close(descriptor)


def count_and_end(files: list[int], worker: int, times: int, paths: int = 0) -> None:
    arguments = map(str, (worker, times, paths, *files))
    done = subprocess.run(
        [sys.executable, "-c", COUNT, *arguments],
        cwd=REPOSITORY,
        pass_fds=files,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def rendered(files: list[int], *running: int) -> list[str]:
    """What the third worker prints."""
    infos = [ProcessInfo(f"worker {n}", os.getpid() if n in running else 0, n) for n in range(3)]
    return lines(Metrics(files, 2, lambda: infos))


def test_workers_are_summed_also_those_that_were_killed(files: list[int]) -> None:
    count_and_end(files, 0, 10)
    count_and_end(files, 1, 5)
    # Worker 0 is started anew and goes on where it was.
    count_and_end(files, 0, 100)
    found = rendered(files, 0, 2)
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 115' in found
    assert f':tensorflow:serving:request_latency_bucket{REQUEST},le="1102"}} 115' in found
    pool = '{thread_pool_name="batch_threads"}'
    assert f":tensorflow:serving:batching_session:input_batch_size_sum{pool} 230" in found
    # What is true of a process as long as it runs is not asked of one that does not.
    assert 'marquee:serving:loaded_version{model_name="m",version="7"} 7' in found
    assert 'marquee:serving:queue_length{model_name="m"} 4' in found
    assert 'marquee:serving:process_restarts_total{process="worker 1"} 1' in found
    assert not any("loaded_version" in line for line in rendered(files, 2))


def test_a_thousand_versions_leave_as_much_as_one(counted: Metrics) -> None:
    for number in range(1000):
        counted.count_load(f"/models/m/{number}", loaded=True)
        counted.observe_warmup(f"/models/m/{number}", Code.OK, 1.0)
        counted.version_loaded("m", number, 1.5, 9742)
        counted.version_unloaded("m", number)
    assert not any('version="' in line for line in lines(counted))
    told = {line.split('"')[1] for line in lines(counted) if "/models/m/" in line}
    assert told == {f"/models/m/{number}" for number in range(1000 - 64, 1000)}
    assert counted._own._used[0] < 64_000  # bytes


def test_a_file_that_is_full_costs_the_series_that_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "_BYTES", 4096)
    counted = Metrics()
    counted.set_models(["m"])
    counted.observe_request("m", metrics.PREDICT, metrics.GRPC, Code.OK, 0.001)
    for number in range(60):
        counted.observe_warmup(f"/path/{number}", Code.OK, 1.0)
    counted.observe_request("m", metrics.PREDICT, metrics.GRPC, Code.OK, 0.001)
    found = lines(counted)
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 2' in found
    assert any("/path/0" in line for line in found)
    assert not any("/path/59" in line for line in found)
