"""Prometheus metrics under TensorFlow Serving's names.

In one process the numbers live in memory; with worker processes each keeps
them in a mapped file (prometheus_client's multiprocess mode), and whoever is
scraped sums the files, also of workers that died.
"""

from __future__ import annotations

import os
import struct
import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

# What prometheus_client calls the time a counter began: TensorFlow Serving prints none.
import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess, values
from prometheus_client.metrics_core import Metric

from serving.protocol.errors import Code

GRPC = "GRPC"
REST = "REST"
PREDICT = "Predict"
CLASSIFY = "Classify"
REGRESS = "Regress"
MULTI_INFERENCE = "MultiInference"

# A model that is not configured is counted under this name: the label comes
# from the client, who could fill the memory with names.
UNKNOWN_MODEL = "(unknown)"

_TF = ":tensorflow:serving:"
_MICROSECONDS = 1e6
_DOUBLE = struct.Struct("d")


def exponential(scale: float, growth: float, count: int) -> tuple[float, ...]:
    """Upper bounds scale x growth^i, as TensorFlow's `Buckets::Exponential`; +Inf follows."""
    bounds = [scale]
    for _ in range(count - 1):
        bounds.append(bounds[-1] * growth)
    return tuple(bounds)


LATENCY_BUCKETS = exponential(10, 1.8, 33)
QUEUE_BUCKETS = exponential(100, 1.2, 52)
COUNT_BUCKETS = exponential(1, 2, 15)


def _mapped_values(worker: int) -> type:
    """prometheus_client's mapped values without its lock and process check at each step.

    By number and not by pid: a worker that is started again goes on counting
    in the same files.
    """
    base = values.MultiProcessValue(lambda: worker)

    class MappedValue(base):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._position = self._file._positions[self._key]

        def inc(self, amount: float) -> None:
            self._value += amount
            # The map is looked up anew: it is replaced when the file grows.
            _DOUBLE.pack_into(self._file._m, self._position, self._value)

    return MappedValue


class _Distribution:
    """A histogram's child, observed without the linear search of prometheus_client."""

    __slots__ = ("_bounds", "_buckets", "_sum")

    def __init__(self, child: Any) -> None:
        self._bounds = child._upper_bounds
        self._buckets = child._buckets
        self._sum = child._sum

    def add(self, value: float) -> None:
        self._buckets[bisect_left(self._bounds, value)].inc(1)
        self._sum.inc(value)


class Metrics:
    """What the server counts.

    Args:
      multiprocess_dir: folder shared by the worker processes; "" for one process.
      worker: number of this process among them.
    """

    def __init__(self, multiprocess_dir: str = "", worker: int = 0) -> None:
        self._dir = multiprocess_dir
        if multiprocess_dir:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = multiprocess_dir
            values.ValueClass = _mapped_values(worker)
        prometheus_client.disable_created_metrics()
        self.registry = CollectorRegistry()
        # Processes whose memory is reported, by what they are.
        self.processes: dict[str, int] = {"server": os.getpid()}
        self._models: frozenset[str] = frozenset()
        self._children: dict[tuple[Any, ...], Any] = {}
        # Batch threads and the event loop count the same things.
        self._lock = threading.Lock()
        self._request_count = self._counter("request_count", "Requests.", "model_name", "status")
        self._request_latency = self._histogram(
            "request_latency",
            "Microseconds from request to answer.",
            LATENCY_BUCKETS,
            "model_name",
            "API",
            "entrypoint",
        )
        self._runtime_latency = self._histogram(
            "runtime_latency", "Microseconds in TensorFlow.", LATENCY_BUCKETS, "model_name", "API", "runtime"
        )
        self._example_counts = self._histogram(
            "request_example_counts", "tf.Examples per request.", COUNT_BUCKETS, "model"
        )
        self._example_count_total = self._counter("request_example_count_total", "tf.Examples.", "model")
        # TensorFlow's own counter, which TensorFlow Serving's page has, too.
        self._load_attempts = Counter(
            ":tensorflow:cc:saved_model:load_attempt_count",
            "SavedModels loaded, or not.",
            ("model_path", "status"),
            registry=self.registry,
        )
        self._warmup_latency = self._histogram(
            "model_warmup_latency", "Microseconds to warm a version.", LATENCY_BUCKETS, "model_path", "status"
        )
        pool = "thread_pool_name"
        self._queuing_latency = self._histogram(
            "batching_session:queuing_latency", "Microseconds in the queue.", QUEUE_BUCKETS, pool
        )
        self._wrapped_run_count = self._counter("batching_session:wrapped_run_count", "Batches run.")
        self._processed_batch_size = self._histogram(
            "batching_session:processed_batch_size", "Rows per batch, with padding.", COUNT_BUCKETS, pool
        )
        self._input_batch_size = self._histogram(
            "batching_session:input_batch_size", "Rows per batch, without padding.", COUNT_BUCKETS, pool
        )
        self._padding_size = self._histogram(
            "batching_session:padding_size", "Rows of padding per batch.", COUNT_BUCKETS, pool
        )
        self._queue_length = self._gauge(
            "queue_length", "Requests that wait for a batch.", "livesum", "model_name"
        )
        self._version = self._gauge(
            "loaded_version", "1 for each version that answers.", "livemax", "model_name", "version"
        )
        self._index_size = self._gauge(
            "index_size", "Items in the index.", "livemax", "model_name", "version"
        )
        self._load_seconds = self._gauge(
            "load_seconds", "Seconds to load and warm.", "livemax", "model_name", "version"
        )

    # --- requests: what is hot --------------------------------------------------
    def observe_request(self, model: str, api: str, entrypoint: str, code: Code, seconds: float) -> None:
        """Counts one request; its latency only if it was answered, as TensorFlow Serving does.

        Args:
          model: name that was asked for.
          api: PREDICT, CLASSIFY, REGRESS or MULTI_INFERENCE.
          entrypoint: GRPC or REST.
          code: what came of it.
          seconds: from its arrival to its answer.
        """
        if model not in self._models:
            model = UNKNOWN_MODEL
        with self._lock:
            key = (model, code)
            counter = self._children.get(key)
            if counter is None:
                counter = self._children[key] = self._request_count.labels(model, code.name)
            counter.inc()
            if code is Code.OK:
                labels = (model, api, entrypoint)
                self._distribution(self._request_latency, labels).add(seconds * _MICROSECONDS)

    def observe_runtime(self, model: str, api: str, seconds: float) -> None:
        """Counts the time that a request spent in TensorFlow (and waiting for its batch)."""
        with self._lock:
            self._distribution(self._runtime_latency, (model, api, "TF1")).add(seconds * _MICROSECONDS)

    def observe_examples(self, model: str, count: int) -> None:
        """Counts the tf.Examples of a Classify or Regress request."""
        with self._lock:
            self._distribution(self._example_counts, (model,)).add(count)
            self._example_count_total.labels(model).inc(count)

    # --- batches ----------------------------------------------------------------
    def observe_batch(self, pool: str, rows: int, padding: int, queued_seconds: Sequence[float]) -> None:
        """Counts one batch.

        Args:
          pool: thread_pool_name of the batching parameters.
          rows: rows that were asked for.
          padding: rows added to reach an allowed size.
          queued_seconds: how long each request of it waited.
        """
        labels = (pool,)
        with self._lock:
            self._wrapped_run_count.inc()
            self._distribution(self._input_batch_size, labels).add(rows)
            self._distribution(self._processed_batch_size, labels).add(rows + padding)
            self._distribution(self._padding_size, labels).add(padding)
            queue = self._distribution(self._queuing_latency, labels)
            for seconds in queued_seconds:
                queue.add(seconds * _MICROSECONDS)

    def set_queue_length(self, model: str, length: int) -> None:
        """How many requests wait for a batch of this model."""
        key = (self._queue_length, model)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._queue_length.labels(model)
        child.set(length)

    # --- versions ---------------------------------------------------------------
    def set_models(self, names: Iterable[str]) -> None:
        """Which models are configured."""
        self._models = frozenset(names)

    def count_load(self, path: str, loaded: bool) -> None:
        """Counts an attempt to load the version at `path`."""
        with self._lock:
            self._load_attempts.labels(path, "success" if loaded else "fail").inc()

    def observe_warmup(self, path: str, code: Code, seconds: float) -> None:
        """Counts the warm-up of a version at `path`."""
        with self._lock:
            self._distribution(self._warmup_latency, (path, code.name)).add(seconds * _MICROSECONDS)

    def version_loaded(self, model: str, version: int, load_seconds: float, index_size: int | None) -> None:
        """A version answers from now on. `index_size`: items in its index, None if it has none."""
        labels = (model, str(version))
        self._version.labels(*labels).set(1)
        self._load_seconds.labels(*labels).set(load_seconds)
        if index_size is not None:
            self._index_size.labels(*labels).set(index_size)

    def version_unloaded(self, model: str, version: int) -> None:
        """A version answers no more."""
        labels = (model, str(version))
        for gauge in (self._version, self._load_seconds, self._index_size):
            # With several processes a label cannot be removed from a file; 0 is not printed.
            gauge.labels(*labels).set(0)
            if not self._dir:
                gauge.remove(*labels)

    # --- exposition -------------------------------------------------------------
    def render(self) -> bytes:
        """The metrics in Prometheus's text format, as TensorFlow Serving prints them."""
        registry = self.registry
        if self._dir:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry, self._dir)
        lines: list[str] = []
        for metric in registry.collect():
            lines += _lines(metric)
        lines += _process_lines(self.processes)
        return ("\n".join(lines) + "\n").encode()

    def _distribution(self, histogram: Histogram, labels: tuple[str, ...]) -> _Distribution:
        key = (histogram, labels)
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = _Distribution(histogram.labels(*labels))
        return found

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(_TF + name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(_TF + name, text, labels, registry=self.registry, buckets=buckets)

    def _gauge(self, name: str, text: str, mode: Any, *labels: str) -> Gauge:
        return Gauge("marquee:serving:" + name, text, labels, registry=self.registry, multiprocess_mode=mode)


def _lines(metric: Metric) -> list[str]:
    """One metric. prometheus_client would add _total to counters and print bounds in full."""
    name = metric.name
    if metric.type == "counter" and name.endswith("request_example_count"):
        name += "_total"
    found = []
    for sample in metric.samples:
        labels = dict(sample.labels)
        if metric.type == "gauge" and sample.value == 0 and "version" in labels:
            continue
        if "le" in labels and labels["le"] != "+Inf":
            # Six digits, as absl::StrCat prints a double.
            labels["le"] = f"{float(labels['le']):g}"
        full = name if metric.type == "counter" else sample.name
        inner = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
        found.append(f"{full}{{{inner}}} {sample.value:.17g}")
    return [f"# TYPE {name} {metric.type}", *found] if found else []


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _process_lines(processes: dict[str, int]) -> list[str]:
    lines = ["# TYPE process_resident_memory_bytes gauge"]
    cpu = ["# TYPE process_cpu_seconds_total counter"]
    for name, pid in processes.items():
        try:
            memory = resident_bytes(pid)
            seconds = cpu_seconds(pid)
        except OSError:
            continue  # died since; its successor is reported next time
        lines.append(f'process_resident_memory_bytes{{process="{name}"}} {memory}')
        cpu.append(f'process_cpu_seconds_total{{process="{name}"}} {seconds}')
    return lines + cpu


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
