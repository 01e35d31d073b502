"""Prometheus metrics under TensorFlow Serving's names.

Each process counts in a file of its own in memory (`series.py`), and whichever
is scraped sums the files, also of workers that ended. The text is written here:
prometheus_client would add _total to counters and print bounds in full, which
TensorFlow Serving does not.
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from serving.model_server.observe.series import SeriesFile
from serving.protocol.errors import Code

GRPC = "GRPC"
REST = "REST"
PREDICT = "Predict"
CLASSIFY = "Classify"
REGRESS = "Regress"
MULTI_INFERENCE = "MultiInference"

# A model that is not configured is counted under this name: the label comes
# from the client, which could fill the memory with names.
UNKNOWN_MODEL = "(unknown)"

_TF = ":tensorflow:serving:"
_OURS = "marquee:serving:"
_RESTARTS = f"{_OURS}process_restarts_total"
_MICROSECONDS = 1e6
COUNTER, GAUGE, HIGHEST, HISTOGRAM = "counter", "gauge", "highest", "histogram"


def exponential(scale: float, growth: float, count: int) -> tuple[float, ...]:
    """Upper bounds scale x growth^i, as TensorFlow's `Buckets::Exponential`; +Inf follows."""
    bounds = [scale]
    for _ in range(count - 1):
        bounds.append(bounds[-1] * growth)
    return tuple(bounds)


LATENCY_BUCKETS = exponential(10, 1.8, 33)
QUEUE_BUCKETS = exponential(100, 1.2, 52)
COUNT_BUCKETS = exponential(1, 2, 15)


@dataclasses.dataclass(frozen=True, eq=False)
class Metric:
    """One metric.

    Attributes:
      name: as it is printed.
      kind: COUNTER and HISTOGRAM are sums over all processes; GAUGE is the sum
        over those that run, HIGHEST their largest value.
      labels: names of its labels.
      bounds: upper bounds of a histogram's buckets; +Inf follows.
    """

    name: str
    kind: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def numbers(self) -> int:
        """How many a series has: of a histogram, one for each bucket and the sum of what was observed."""
        return len(self.bounds) + 2 if self.kind == HISTOGRAM else 1


def _histogram(name: str, bounds: tuple[float, ...], *labels: str) -> Metric:
    return Metric(_TF + name, HISTOGRAM, labels, bounds)


_POOL = "thread_pool_name"
REQUEST_COUNT: Final = Metric(f"{_TF}request_count", COUNTER, ("model_name", "status"))
# Microseconds from request to answer.
REQUEST_LATENCY: Final = _histogram("request_latency", LATENCY_BUCKETS, "model_name", "API", "entrypoint")
# Microseconds in TensorFlow.
RUNTIME_LATENCY: Final = _histogram("runtime_latency", LATENCY_BUCKETS, "model_name", "API", "runtime")
EXAMPLE_COUNTS: Final = _histogram("request_example_counts", COUNT_BUCKETS, "model")
EXAMPLE_COUNT_TOTAL: Final = Metric(f"{_TF}request_example_count_total", COUNTER, ("model",))
# TensorFlow's own counter, which TensorFlow Serving's page has, too.
LOAD_ATTEMPTS: Final = Metric(
    ":tensorflow:cc:saved_model:load_attempt_count", COUNTER, ("model_path", "status")
)
WARMUP_LATENCY: Final = _histogram("model_warmup_latency", LATENCY_BUCKETS, "model_path", "status")
WARMUP_RECORDS: Final = Metric(f"{_TF}model_warmup_records_read", COUNTER, ("model_path",))
QUEUING_LATENCY: Final = _histogram("batching_session:queuing_latency", QUEUE_BUCKETS, _POOL)
WRAPPED_RUN_COUNT: Final = Metric(f"{_TF}batching_session:wrapped_run_count", COUNTER)
# Rows of a batch with and without padding, and of the padding.
PROCESSED_BATCH_SIZE: Final = _histogram("batching_session:processed_batch_size", COUNT_BUCKETS, _POOL)
INPUT_BATCH_SIZE: Final = _histogram("batching_session:input_batch_size", COUNT_BUCKETS, _POOL)
PADDING_SIZE: Final = _histogram("batching_session:padding_size", COUNT_BUCKETS, _POOL)
QUEUE_LENGTH: Final = Metric(f"{_OURS}queue_length", GAUGE, ("model_name",))
VERSION: Final = Metric(f"{_OURS}loaded_version", HIGHEST, ("model_name", "version"))
INDEX_SIZE: Final = Metric(f"{_OURS}index_size", HIGHEST, ("model_name", "version"))
LOAD_SECONDS: Final = Metric(f"{_OURS}load_seconds", HIGHEST, ("model_name", "version"))
METRICS: Final = {
    metric.name: metric
    for metric in (
        REQUEST_COUNT, REQUEST_LATENCY, RUNTIME_LATENCY, EXAMPLE_COUNTS, EXAMPLE_COUNT_TOTAL, LOAD_ATTEMPTS,
        WARMUP_LATENCY, WARMUP_RECORDS, QUEUING_LATENCY, WRAPPED_RUN_COUNT, PROCESSED_BATCH_SIZE,
        INPUT_BATCH_SIZE, PADDING_SIZE, QUEUE_LENGTH, VERSION, INDEX_SIZE, LOAD_SECONDS,
    )
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class ProcessInfo:
    """A process of this server.

    Attributes:
      name: what it is.
      pid: 0 if it does not run.
      restarts: how often it was started anew; None for one that is never started anew.
    """

    name: str
    pid: int
    restarts: int | None = None


def only_process() -> list[ProcessInfo]:
    """The processes of a server that has one."""
    return [ProcessInfo("server", os.getpid())]


class Metrics:
    """What the server counts.

    Args:
      files: of all worker processes; empty for one process.
      number: of this process among them.
      processes: those that run this server; the workers come last, in the order of `files`.
    """

    def __init__(
        self,
        files: Sequence[int] = (),
        number: int = 0,
        processes: Callable[[], Sequence[ProcessInfo]] = only_process,
    ) -> None:
        self._files = [SeriesFile(descriptor) for descriptor in files] or [SeriesFile()]
        self._own = self._files[number]
        self._numbers = self._own.numbers
        self._processes = processes
        self._models: frozenset[str] = frozenset()
        self._places: dict[tuple[Metric, tuple[str, ...]], int | None] = {}
        # Batch threads and the event loop count the same things.
        self._lock = threading.Lock()
        # The process that had this number before is gone, and with it what was true of it.
        for key, _ in list(self._own.read()):
            if METRICS[json.loads(key)[0]].kind in (GAUGE, HIGHEST):
                self._own.remove(key)
        self._place(WRAPPED_RUN_COUNT, ())

    # --- requests: what is hot --------------------------------------------------
    def observe_request(self, model: str, api: str, entrypoint: str, code: Code, seconds: float) -> None:
        """Counts one request; its latency only if it was answered, as TensorFlow Serving does.

        Args:
          model: name in the request.
          api: PREDICT, CLASSIFY, REGRESS or MULTI_INFERENCE.
          entrypoint: GRPC or REST.
          code: what came of it.
          seconds: from its arrival to its answer.
        """
        if model not in self._models:
            model = UNKNOWN_MODEL
        with self._lock:
            self._add(REQUEST_COUNT, (model, code.name))
            if code is Code.OK:
                self._observe(REQUEST_LATENCY, (model, api, entrypoint), seconds * _MICROSECONDS)

    def observe_runtime(self, model: str, api: str, seconds: float) -> None:
        """Counts the time that a request spent in TensorFlow (and waiting for its batch)."""
        with self._lock:
            self._observe(RUNTIME_LATENCY, (model, api, "TF1"), seconds * _MICROSECONDS)

    def observe_examples(self, model: str, count: int) -> None:
        """Counts the tf.Examples of a Classify or Regress request."""
        with self._lock:
            self._observe(EXAMPLE_COUNTS, (model,), count)
            self._add(EXAMPLE_COUNT_TOTAL, (model,), count)

    # --- batches ----------------------------------------------------------------
    def observe_batch(self, pool: str, rows: int, padding: int, queued_seconds: Sequence[float]) -> None:
        """Counts one batch.

        Args:
          pool: thread_pool_name of the batching parameters.
          rows: of its requests.
          padding: rows added to reach an allowed size.
          queued_seconds: how long each request of it waited.
        """
        labels = (pool,)
        with self._lock:
            self._add(WRAPPED_RUN_COUNT, ())
            self._observe(INPUT_BATCH_SIZE, labels, rows)
            self._observe(PROCESSED_BATCH_SIZE, labels, rows + padding)
            self._observe(PADDING_SIZE, labels, padding)
            for seconds in queued_seconds:
                self._observe(QUEUING_LATENCY, labels, seconds * _MICROSECONDS)

    def set_queue_length(self, model: str, length: int) -> None:
        """How many requests wait for a batch of this model."""
        with self._lock:
            self._set(QUEUE_LENGTH, (model,), length)

    # --- versions ---------------------------------------------------------------
    def set_models(self, names: Iterable[str]) -> None:
        """Which models are configured."""
        self._models = frozenset(names)

    def count_load(self, path: str, loaded: bool) -> None:
        """Counts an attempt to load the version at `path`."""
        with self._lock:
            self._add(LOAD_ATTEMPTS, (path, "success" if loaded else "fail"))

    def observe_warmup(self, path: str, code: Code, seconds: float) -> None:
        """Counts the warm-up of a version at `path`."""
        with self._lock:
            self._observe(WARMUP_LATENCY, (path, code.name), seconds * _MICROSECONDS)

    def count_warmup_records(self, path: str, count: int) -> None:
        """Counts the warm-up records that were read of a version at `path`."""
        with self._lock:
            self._add(WARMUP_RECORDS, (path,), count)

    def version_loaded(self, model: str, version: int, load_seconds: float, index_size: int | None) -> None:
        """A version answers from now on. `index_size`: items in its index, None if it has none."""
        labels = (model, str(version))
        with self._lock:
            self._set(VERSION, labels, 1)
            self._set(LOAD_SECONDS, labels, load_seconds)
            if index_size is not None:
                self._set(INDEX_SIZE, labels, index_size)

    def version_unloaded(self, model: str, version: int) -> None:
        """A version answers no more."""
        labels = (model, str(version))
        with self._lock:
            for metric in (VERSION, LOAD_SECONDS, INDEX_SIZE):
                self._places.pop((metric, labels), None)
                self._own.remove(_key(metric, labels))

    def counter(self, name: str) -> int:
        """A counter over all processes and labels; 0 for a name that is none.

        Args:
          name: as it is printed, or with slashes as TensorFlow names it.
        """
        wanted = name.replace("/", ":")
        series = (entry for file in self._files for entry in file.read())
        counted = [numbers[0] for key, numbers in series if json.loads(key)[0] == wanted]
        metric = METRICS.get(wanted)
        return int(sum(counted)) if metric is not None and metric.kind == COUNTER else 0

    # --- exposition -------------------------------------------------------------
    def render(self) -> bytes:
        """The metrics in Prometheus's text format, as TensorFlow Serving prints them."""
        processes = self._processes()
        found: dict[str, dict[tuple[str, ...], list[float]]] = {name: {} for name in METRICS}
        for file, process in zip(self._files, processes[-len(self._files) :], strict=True):
            for key, numbers in file.read():
                name, *labels = json.loads(key)
                metric = METRICS[name]
                if metric.kind in (GAUGE, HIGHEST) and not process.pid:
                    continue
                before = found[name].setdefault(tuple(labels), [0.0] * len(numbers))
                merge = max if metric.kind == HIGHEST else float.__add__
                before[:] = map(merge, before, numbers)
        lines: list[str] = []
        for name, series in found.items():
            if series:
                lines += _lines(METRICS[name], series)
        lines += _process_lines(processes)
        return ("\n".join(lines) + "\n").encode()

    # --- numbers, under the lock ------------------------------------------------
    def _add(self, metric: Metric, labels: tuple[str, ...], amount: float = 1) -> None:
        place = self._place(metric, labels)
        if place is not None:
            self._numbers[place] += amount

    def _set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        place = self._place(metric, labels)
        if place is not None:
            self._numbers[place] = value

    def _observe(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        place = self._place(metric, labels)
        if place is not None:
            self._numbers[place + bisect_left(metric.bounds, value)] += 1
            self._numbers[place + len(metric.bounds) + 1] += value

    def _place(self, metric: Metric, labels: tuple[str, ...]) -> int | None:
        try:
            return self._places[metric, labels]
        except KeyError:
            place = self._own.place(_key(metric, labels), metric.numbers)
            self._places[metric, labels] = place
            return place


def _key(metric: Metric, labels: tuple[str, ...]) -> bytes:
    return json.dumps([metric.name, *labels]).encode()


def _lines(metric: Metric, series: Mapping[tuple[str, ...], Sequence[float]]) -> list[str]:
    kind = GAUGE if metric.kind == HIGHEST else metric.kind
    lines = [f"# TYPE {metric.name} {kind}"]
    for labels, numbers in series.items():
        inner = ",".join(
            f'{key}="{_escaped(value)}"' for key, value in zip(metric.labels, labels, strict=True)
        )
        if metric.kind != HISTOGRAM:
            lines.append(f"{metric.name}{{{inner}}} {numbers[0]:.17g}")
            continue
        count = 0.0
        # Six digits, as absl::StrCat prints a double.
        for bound, number in zip((*(f"{b:g}" for b in metric.bounds), "+Inf"), numbers, strict=False):
            count += number
            lines.append(f'{metric.name}_bucket{{{inner},le="{bound}"}} {count:.17g}')
        lines.append(f"{metric.name}_count{{{inner}}} {count:.17g}")
        lines.append(f"{metric.name}_sum{{{inner}}} {numbers[-1]:.17g}")
    return lines


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _process_lines(processes: Sequence[ProcessInfo]) -> list[str]:
    memory = ["# TYPE process_resident_memory_bytes gauge"]
    cpu = ["# TYPE process_cpu_seconds_total counter"]
    restarts: list[str] = []
    for process in processes:
        label = f'{{process="{process.name}"}}'
        if process.restarts is not None:
            restarts.append(f"{_RESTARTS}{label} {process.restarts}")
        try:
            resident, seconds = resident_bytes(process.pid), cpu_seconds(process.pid)
        except OSError:
            continue  # it does not run; its successor is reported next time
        memory.append(f"process_resident_memory_bytes{label} {resident}")
        cpu.append(f"process_cpu_seconds_total{label} {seconds}")
    if restarts:
        restarts.insert(0, f"# TYPE {_RESTARTS} counter")
    return memory + cpu + restarts


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
