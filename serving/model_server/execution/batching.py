"""Requests that arrive together run together.

All state lives in the event loop's thread: requests queue there, batches are
made there and handed to batch threads, in which TensorFlow runs without the
interpreter's lock. A batch that is done wakes the loop once, whatever the
number of its requests.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import functools
import time
import weakref
from collections.abc import Awaitable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from serving.model_server.execution import checks, merging
from serving.model_server.process import cpus
from serving.model_server.versions import config_files
from serving.protocol.errors import Code, StatusError, invalid_argument

if TYPE_CHECKING:
    from serving.model_server.execution.runtime import Model
    from serving.model_server.observe.metrics import Metrics
    from serving.model_server.versions.servables import Servable

# Seconds that a request waits for others at most, if no batch_timeout_micros says so.
_MAX_WAIT_S = 0.02
# Share of its CPUs that a process takes from which on waiting pays, and from which on it is longest.
_BUSY_FROM, _BUSIEST = 0.4, 0.8
# Seconds between two looks at the CPU that this process takes.
_LOOK = 0.05
# Seconds of the windows over which concurrency is estimated.
_WINDOW_S = 0.1

Tensors = dict[str, np.ndarray]
Outcome = Tensors | StatusError
_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class BatchingOptions:
    """TensorFlow Serving's batching parameters; the defaults batch what queues up for our signatures.

    Attributes:
      enabled: False runs every request alone.
      explicit: the operator turned batching on, so every signature is taken
        to be made for it, and a request above `max_batch_size` is refused
        rather than run alone.
      max_batch_size: rows that go together; with `enable_large_batch_splitting`
        rows that a request may have.
      batch_timeout_micros: how long a batch that is not full waits for more.
      max_enqueued_batches: full batches that may wait per signature; beyond
        them UNAVAILABLE.
      max_queued_requests: requests that may wait per signature, 0 for no such bound.
      max_request_rows: rows that a request for a signature of ours may have,
        unless `explicit`; 0 for no such bound.
      num_batch_threads: batches that run at the same time.
      thread_pool_name: of the batch threads, in metrics.
      allowed_batch_sizes: increasing, the last one is the maximum; a batch is
        padded to the next one. Empty: any size.
      pad_variable_length_inputs: requests of unequal widths go together, filled
        up with their own first element (ours always do, with neutral values).
      enable_large_batch_splitting: a request of more rows than
        `max_execution_batch_size` is cut.
      max_execution_batch_size: rows that run together when large requests are
        cut; 0 for `max_batch_size`.
      workers: processes that share the CPUs.
    """

    enabled: bool = True
    explicit: bool = False
    max_batch_size: int = 128
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    max_queued_requests: int = 0
    max_request_rows: int = 0
    num_batch_threads: int = dataclasses.field(default_factory=cpus.whole)
    thread_pool_name: str = "batch_threads"
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0
    workers: int = 1

    @classmethod
    def of(
        cls,
        enable: bool | None,
        parameters: Mapping[str, Any],
        max_queued_requests: int = 0,
        workers: int = 1,
        max_request_rows: int = 0,
    ) -> BatchingOptions:
        """From TensorFlow Serving's flag and file.

        Args:
          enable: --enable_batching; None when it was not given.
          parameters: the fields that the BatchingParameters set.
          max_queued_requests, workers, max_request_rows: see the attributes.
        """
        if not enable:
            return cls(
                enabled=enable is None,
                max_queued_requests=max_queued_requests,
                workers=workers,
                max_request_rows=max_request_rows,
            )
        known = {field.name for field in dataclasses.fields(cls)}
        given = {
            "max_batch_size": config_files.MAX_BATCH_SIZE,
            **{k: v for k, v in parameters.items() if k in known},
        }
        return cls(explicit=True, max_queued_requests=max_queued_requests, workers=workers, **given)

    @property
    def execution_rows(self) -> int:
        """The most rows that run together."""
        if self.enable_large_batch_splitting and self.max_execution_batch_size:
            return min(self.max_execution_batch_size, self.max_batch_size)
        return self.max_batch_size


class _Request:
    __slots__ = ("deadline", "future", "inputs", "queued_at", "rows")

    def __init__(
        self, inputs: Tensors, rows: int, deadline: float | None, future: asyncio.Future[Tensors], now: float
    ) -> None:
        self.inputs = inputs
        self.rows = rows
        self.deadline = deadline
        self.future = future
        self.queued_at = now

    def expired(self, now: float) -> bool:
        """Whether it is answered, cancelled or past its deadline, which is then its answer."""
        if self.future.done():
            return True
        if self.deadline is not None and self.deadline <= now:
            self.future.set_exception(_late())
            return True
        return False


class _Lane:
    """The requests for one signature of one servable."""

    def __init__(
        self, servable: Servable, signature: str, options: BatchingOptions, waiting: collections.Counter[str]
    ) -> None:
        self.servable = weakref.ref(servable)
        self.name = servable.name
        self.signature = signature
        rule = merging.of_signature(
            servable.model.signatures[signature], options.explicit, options.pad_variable_length_inputs
        )
        self.merging = rule if options.enabled else None
        self.max_rows = options.max_request_rows if isinstance(rule, merging.Contract) else 0
        self.waiting_rows = 0
        self.waiting_requests = 0
        self.waiting_by_model = waiting


class _Queue:
    """Requests that may run together, oldest first; or, of those that may not, one after the other."""

    __slots__ = ("alone", "lane", "outputs", "requests", "rows")

    def __init__(self, lane: _Lane, outputs: tuple[str, ...], alone: bool) -> None:
        self.lane = lane
        self.outputs = outputs
        self.alone = alone
        self.requests: collections.deque[_Request] = collections.deque()
        self.rows = 0

    def take(self, limit: int, now: float) -> list[_Request]:
        """The oldest living requests that fit into `limit` rows; one at least, if there is any."""
        taken: list[_Request] = []
        rows = 0
        while self.requests and (not taken or (not self.alone and rows + self.requests[0].rows <= limit)):
            request = self.pop()
            if not request.expired(now):
                taken.append(request)
                rows += request.rows
        return taken

    def pop(self) -> _Request:
        request = self.requests.popleft()
        self.rows -= request.rows
        self.lane.waiting_rows -= request.rows
        self.lane.waiting_requests -= 1
        self.lane.waiting_by_model[self.lane.name] -= 1
        return request


@dataclasses.dataclass(slots=True)
class _Batch:
    servable: Servable
    lane: _Lane
    outputs: tuple[str, ...]
    requests: list[_Request]
    alone: bool


class _AdaptiveWait:
    """How long a request should wait to be batched with others, by how busy this process is.

    A batch costs little more than one request: the larger the batches, the
    fewer cores the same requests take. While there is CPU to spare no
    request waits. When there is none, requests wait for it anyway, and gathering them
    first shortens that.

    Args:
      cpus: of which this process may take its share.
    """

    def __init__(self, cpus: float) -> None:
        self._cpus = cpus
        self._looked_at = time.monotonic()
        self._cpu = time.process_time()
        self._seconds = 0.0

    def seconds(self, now: float) -> float:
        """Seconds that the oldest request of a queue may wait for others."""
        wall = now - self._looked_at
        if wall >= _LOOK:
            cpu = time.process_time()
            busy = (cpu - self._cpu) / wall / self._cpus
            self._looked_at, self._cpu = now, cpu
            self._seconds = _MAX_WAIT_S * min(max((busy - _BUSY_FROM) / (_BUSIEST - _BUSY_FROM), 0), 1)
        return self._seconds


class _ConcurrencyEstimator:
    """How many requests are usually here at once, waiting or running.

    Clients that ask one query after the other send the next one when they have
    their answer: once as many are here as there were lately, waiting for more
    gains nothing.
    """

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._most = self._most_before = 0

    def is_reached(self, here: int, now: float) -> bool:
        """Whether no more requests are to be expected, now that `here` are."""
        if now - self._since >= _WINDOW_S:
            self._most_before, self._most = self._most, here
            self._since = now
        self._most = max(self._most, here)
        return here >= self._most_before and here >= self._most


class Batcher:
    """Runs requests in batch threads. To be used from one event loop.

    Args:
      options: see there.
      metrics: told of each batch; None for none.
    """

    def __init__(self, options: BatchingOptions, metrics: Metrics | None = None) -> None:
        self._options = options
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(options.num_batch_threads, options.thread_pool_name)
        self._idle = options.num_batch_threads
        self._lanes: weakref.WeakKeyDictionary[Servable, dict[str, _Lane]] = weakref.WeakKeyDictionary()
        # By turns: the queue served goes behind the others.
        self._queues: collections.OrderedDict[Hashable, _Queue] = collections.OrderedDict()
        self._scheduled = False
        self._wait = _AdaptiveWait(cpus.available() / options.workers)
        self._concurrency = _ConcurrencyEstimator()
        self._running = 0  # requests in the batches under way
        # By model: requests for all its signatures and versions.
        self._waiting: collections.Counter[str] = collections.Counter()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def max_rows(self) -> int:
        """Rows that a request for a signature of ours may have; 0 for no such bound."""
        return 0 if self._options.explicit else self._options.max_request_rows

    async def run(
        self,
        servable: Servable,
        signature: str,
        inputs: Tensors,
        outputs: Sequence[str],
        deadline: float | None = None,
    ) -> Tensors:
        """As `Model.run`, together with whatever else waits for the same signature.

        Args:
          servable: whose model runs; the caller holds it until this returns.
          signature: key of the signature.
          inputs: exactly its inputs, of their types.
          outputs: which outputs to compute.
          deadline: time.monotonic() seconds of the client's deadline.

        Raises:
          StatusError: UNAVAILABLE at once if the queue is full, DEADLINE_EXCEEDED
            if the deadline passed before the request ran, else what the model says.
        """
        lane = self._lane(servable, signature)
        if lane.max_rows and not self._options.explicit:
            checks.check_rows(inputs, lane.max_rows)
        rule = lane.merging  # read once: a batch thread may take it away
        group = rule.group(inputs) if rule is not None else None
        rows = 1
        if rule is not None and group is not None:
            rows = len(next(iter(inputs.values())))
            if rows > self._options.execution_rows:
                splits = self._options.enable_large_batch_splitting and rows <= self._options.max_batch_size
                if self._options.explicit and not splits:
                    raise invalid_argument(
                        f"Task size {rows} is larger than maximum input batch size "
                        f"{self._options.max_batch_size}"
                    )
                return await self._run_cut(servable, signature, inputs, outputs, deadline, rule)
        return await self._enqueue(lane, group, inputs, rows, tuple(outputs), deadline)

    def close(self) -> None:
        """Ends the batch threads. Nothing may be waiting."""
        if self._timer is not None:
            self._timer.cancel()
        # A batch that was cut off still runs; the end of the server does not wait for it.
        self._threads.shutdown(wait=False)

    async def _run_cut(
        self,
        servable: Servable,
        signature: str,
        inputs: Tensors,
        outputs: Sequence[str],
        deadline: float | None,
        rule: merging.Merging,
    ) -> Tensors:
        """A request too large for one execution: in parts, their rows put together again.

        As many parts as there are threads at a time: requests of others run between them, and what is
        left is not begun once the deadline has passed or the client has gone.
        """
        step = self._options.execution_rows
        rows = len(next(iter(inputs.values())))
        starts = range(0, rows, step)
        parts: list[Tensors] = []
        for first in range(0, len(starts), self._options.num_batch_threads):
            # All of them end before this does: the caller holds the model for them only so long.
            parts += await all_of(
                [
                    self.run(
                        servable,
                        signature,
                        {name: value[start : start + step] for name, value in inputs.items()},
                        outputs,
                        deadline,
                    )
                    for start in starts[first : first + self._options.num_batch_threads]
                ]
            )
        try:
            return rule.join(parts)
        except ValueError as error:
            raise StatusError(
                Code.INTERNAL,
                f"Tensor concat operation failed: a request of {rows} rows ran in parts of {step}, "
                f"whose answers do not fit together: {error}",
            ) from error

    def _lane(self, servable: Servable, signature: str) -> _Lane:
        lanes = self._lanes.get(servable)
        if lanes is None:
            lanes = self._lanes[servable] = {}
        lane = lanes.get(signature)
        if lane is None:
            lane = lanes[signature] = _Lane(servable, signature, self._options, self._waiting)
        return lane

    def _enqueue(
        self,
        lane: _Lane,
        group: Hashable,
        inputs: Tensors,
        rows: int,
        outputs: tuple[str, ...],
        deadline: float | None,
    ) -> asyncio.Future[Tensors]:
        now = time.monotonic()
        if deadline is not None and deadline <= now:
            raise _late()
        if self._full(lane, rows):
            self._drop_expired(lane, now)
            if self._full(lane, rows):
                raise StatusError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full; currently "
                    f"{lane.waiting_requests} requests with {lane.waiting_rows} rows are enqueued and "
                    f"max_enqueued_batches is {self._options.max_enqueued_batches}",
                )
        loop = asyncio.get_running_loop()
        request = _Request(inputs, rows, deadline, loop.create_future(), now)
        key = (lane, outputs, group)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue(lane, outputs, group is None)
        queue.requests.append(request)
        queue.rows += rows
        lane.waiting_rows += rows
        lane.waiting_requests += 1
        self._waiting[lane.name] += 1
        self._report(lane.name)
        if self._idle and not self._scheduled:
            # Not at once: what else arrived in this round of the loop comes along.
            self._scheduled = True
            loop.call_soon(self._dispatch)
        return request.future

    def _report(self, model: str) -> None:
        if self._metrics is not None:
            self._metrics.set_queue_length(model, self._waiting[model])

    def _full(self, lane: _Lane, rows: int) -> bool:
        options = self._options
        if options.max_queued_requests and lane.waiting_requests >= options.max_queued_requests:
            return True
        # A request that is larger than all that may wait can still be the only one.
        waiting = lane.waiting_rows
        return bool(waiting) and waiting + rows > options.max_enqueued_batches * options.execution_rows

    def _drop_expired(self, lane: _Lane, now: float) -> None:
        """Takes expired requests from the heads of a lane's queues."""
        for key, queue in list(self._queues.items()):
            if queue.lane is lane:
                while queue.requests and queue.requests[0].expired(now):
                    queue.pop()
                if not queue.requests:
                    del self._queues[key]

    # --- batches ------------------------------------------------------------------
    def _dispatch(self) -> None:
        """Hands batches to idle threads."""
        self._scheduled = False
        loop = asyncio.get_running_loop()
        while self._idle and self._queues:
            batch = self._next_batch()
            if batch is None:
                return
            self._idle -= 1
            self._running += len(batch.requests)
            work = self._threads.submit(self._execute, batch)
            work.add_done_callback(functools.partial(self._executed, loop, batch))

    def _executed(self, loop: asyncio.AbstractEventLoop, batch: _Batch, done: Future[list[Outcome]]) -> None:
        loop.call_soon_threadsafe(self._finish, batch, done)

    def _next_batch(self) -> _Batch | None:
        now = time.monotonic()
        while True:
            key = self._ready(now)
            if key is None:
                return None
            queue = self._queues[key]
            requests = queue.take(self._options.execution_rows, now)
            if queue.requests:
                self._queues.move_to_end(key)
            else:
                del self._queues[key]
            self._report(queue.lane.name)
            if requests:
                # A living request holds its servable; from here on the batch does.
                servable = queue.lane.servable()
                assert servable is not None
                servable.retain()
                return _Batch(servable, queue.lane, queue.outputs, requests, queue.alone)

    def _ready(self, now: float) -> Hashable:
        """The first queue that is worth a batch now; None if there is none."""
        timeout = self._options.batch_timeout_micros / 1e6
        if not timeout and not self._concurrency.is_reached(self._waiting.total() + self._running, now):
            timeout = self._wait.seconds(now)
        limit = self._options.execution_rows
        shortest = None
        for key, queue in self._queues.items():
            left = queue.requests[0].queued_at + timeout - now
            if left <= 0 or queue.alone or queue.rows >= limit:
                return key
            shortest = left if shortest is None else min(shortest, left)
        if shortest is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(shortest, self._timed_out)
        return None

    def _timed_out(self) -> None:
        self._timer = None
        self._dispatch()

    def _finish(self, batch: _Batch, done: Future[list[Outcome]]) -> None:
        """Back in the event loop: answers the requests of a batch and starts the next."""
        self._idle += 1
        self._running -= len(batch.requests)
        batch.servable.release()
        error = done.exception()
        if error is not None:
            # Not the model's: merging or splitting has a fault. No request may hang on it.
            outcomes: list[Any] = [error] * len(batch.requests)
        else:
            outcomes = done.result()
        for request, outcome in zip(batch.requests, outcomes, strict=True):
            if request.future.done():
                continue
            if isinstance(outcome, BaseException):
                request.future.set_exception(outcome)
            else:
                request.future.set_result(outcome)
        self._dispatch()

    # --- in a batch thread ----------------------------------------------------------
    def _execute(self, batch: _Batch) -> list[Outcome]:
        model = batch.servable.model
        rule = batch.lane.merging
        if batch.alone or rule is None:
            return [self._alone(model, batch, request.inputs) for request in batch.requests]
        outcomes: list[Outcome | None] = [None] * len(batch.requests)
        for positions in rule.parts([request.inputs for request in batch.requests]):
            requests = [batch.requests[position] for position in positions]
            if self._metrics is not None:
                self._observe(requests)
            answers = self._together(model, rule, batch, requests)
            for position, answer in zip(positions, answers, strict=True):
                outcomes[position] = answer
        return outcomes  # type: ignore[return-value]

    def _observe(self, requests: list[_Request]) -> None:
        assert self._metrics is not None
        now = time.monotonic()
        rows = sum([request.rows for request in requests])
        waited = [now - request.queued_at for request in requests]
        self._metrics.observe_batch(self._options.thread_pool_name, rows, self._padding(rows), waited)

    def _together(
        self, model: Model, rule: merging.Merging, batch: _Batch, requests: list[_Request]
    ) -> list[Outcome]:
        """Outcomes in the order of the requests.

        What fails is halved until the culprit is alone, so that the others are
        answered: for one culprit among n at most 2 log2(n) runs more, never
        more than 2 n.
        """
        inputs = [request.inputs for request in requests]
        padding = self._padding(sum([request.rows for request in requests]))
        if len(requests) == 1 and not padding:
            return [self._alone(model, batch, inputs[0])]
        try:
            answer = model.run(batch.lane.signature, rule.merge(inputs, padding), batch.outputs)
            return list(rule.split(answer, inputs, padding))
        except merging.NotRowwiseError:
            # The signature is not what its shapes say. From now on no rows are mixed.
            batch.lane.merging = None
            return [self._alone(model, batch, request) for request in inputs]
        except StatusError as error:
            if len(requests) == 1:
                return [error]
        half = len(requests) // 2
        return [
            outcome
            for part in (requests[:half], requests[half:])
            for outcome in self._unexpired(model, rule, batch, part)
        ]

    def _unexpired(
        self, model: Model, rule: merging.Merging, batch: _Batch, requests: list[_Request]
    ) -> list[Outcome]:
        """As `_together`; a request past its deadline costs no further run."""
        now = time.monotonic()
        late = [request.deadline is not None and request.deadline <= now for request in requests]
        living = [request for request, is_late in zip(requests, late, strict=True) if not is_late]
        answers = iter(self._together(model, rule, batch, living) if living else [])
        return [_late() if is_late else next(answers) for is_late in late]

    def _alone(self, model: Model, batch: _Batch, inputs: Tensors) -> Outcome:
        try:
            return model.run(batch.lane.signature, inputs, batch.outputs)
        except StatusError as error:
            return error

    def _padding(self, rows: int) -> int:
        """Rows to the next allowed batch size."""
        for size in self._options.allowed_batch_sizes:
            if size >= rows:
                return size - rows
        return 0


async def all_of(answers: Iterable[Awaitable[_T]]) -> list[_T]:
    """Their results; if any fails, its error, but only once all have ended."""
    found = await asyncio.gather(*answers, return_exceptions=True)
    results: list[_T] = []
    for result in found:
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results


def _late() -> StatusError:
    return StatusError(Code.DEADLINE_EXCEEDED, "the deadline passed while the request waited for its batch")
