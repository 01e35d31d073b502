"""The batcher: queues, batches and the threads that run them.

All state lives in the event loop's thread: requests queue there, batches are
made there and handed to batch threads, in which TensorFlow runs without the
interpreter's lock. A batch that is done wakes the loop once, whatever the
number of its requests.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import time
import weakref
from collections.abc import Awaitable, Hashable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from serving.model_server.execution import checks, clients, merging
from serving.model_server.execution.batching.execution import BatchExecution, Outcome
from serving.model_server.execution.batching.fair_share import FairShare
from serving.model_server.execution.batching.options import BatchingOptions
from serving.model_server.execution.batching.queues import Batch, Lane, Queue, Request, Tensors, late
from serving.model_server.execution.batching.waiting import AdaptiveWait, ConcurrencyEstimator
from serving.model_server.process import cpus
from serving.protocol.errors import Code, StatusError, invalid_argument

if TYPE_CHECKING:
    from serving.model_server.observe.metrics import Metrics
    from serving.model_server.versions.servables import Servable

_T = TypeVar("_T")


class Batcher:
    """Runs requests in batch threads. To be used from one event loop.

    Args:
      options: see there.
      metrics: told of each batch; None for none.
    """

    def __init__(self, options: BatchingOptions, metrics: Metrics | None = None) -> None:
        self._options = options
        self._metrics = metrics
        self._execution = BatchExecution(options, metrics)
        self._threads = ThreadPoolExecutor(options.num_batch_threads, options.thread_pool_name)
        self._idle = options.num_batch_threads
        self._lanes: weakref.WeakKeyDictionary[Servable, dict[str, Lane]] = weakref.WeakKeyDictionary()
        # By turns: the queue served goes behind the others.
        self._queues: collections.OrderedDict[Hashable, Queue] = collections.OrderedDict()
        self._scheduled = False
        self._wait = AdaptiveWait(cpus.available() / options.workers)
        self._concurrency = ConcurrencyEstimator()
        self._running = 0  # requests in the batches under way
        self._share = FairShare(options.num_batch_threads)
        self._finished_at = time.monotonic()
        # By model: requests for all its signatures and versions.
        self._waiting: collections.Counter[str] = collections.Counter()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def max_rows(self) -> int:
        """Rows that a request for a signature of ours may have; 0 for no such bound."""
        return 0 if self._options.explicit else self._options.max_request_rows

    def stalled_seconds(self) -> float:
        """Seconds in which requests have waited and no batch has ended; 0 if none waits."""
        oldest = min((queue.requests[0].queued_at for queue in self._queues.values()), default=None)
        return 0.0 if oldest is None else time.monotonic() - max(oldest, self._finished_at)

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

    def _lane(self, servable: Servable, signature: str) -> Lane:
        lanes = self._lanes.get(servable)
        if lanes is None:
            lanes = self._lanes[servable] = {}
        lane = lanes.get(signature)
        if lane is None:
            lane = lanes[signature] = Lane(servable, signature, self._options, self._waiting)
        return lane

    def _enqueue(
        self,
        lane: Lane,
        group: Hashable,
        inputs: Tensors,
        rows: int,
        outputs: tuple[str, ...],
        deadline: float | None,
    ) -> asyncio.Future[Tensors]:
        now = time.monotonic()
        if deadline is not None and deadline <= now:
            raise late()
        if self._full(lane, rows):
            self._drop_expired(lane, now)
            self._drop_greediest(lane, rows)
            if self._full(lane, rows):
                raise self._is_full(lane)
        loop = asyncio.get_running_loop()
        request = Request(inputs, rows, deadline, loop.create_future(), now)
        key = (lane, outputs, group)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = Queue(lane, outputs, group is None)
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

    def _full(self, lane: Lane, rows: int) -> bool:
        options = self._options
        if options.max_queued_requests and lane.waiting_requests >= options.max_queued_requests:
            return True
        # A request that is larger than all that may wait can still be the only one.
        waiting = lane.waiting_rows
        return bool(waiting) and waiting + rows > options.max_enqueued_batches * options.execution_rows

    def _is_full(self, lane: Lane) -> StatusError:
        return StatusError(
            Code.UNAVAILABLE,
            "The batch scheduling queue to which this task was submitted is full; currently "
            f"{lane.waiting_requests} requests with {lane.waiting_rows} rows are enqueued and "
            f"max_enqueued_batches is {self._options.max_enqueued_batches}",
        )

    def _drop_greediest(self, lane: Lane, rows: int) -> None:
        """Makes room for a client by the newest requests of the one who has more of the queue than he would.

        So whoever fills a queue is refused himself, and who asks now and then is not.
        """
        waiting = [
            (request, queue)
            for queue in self._queues.values()
            if queue.lane is lane
            for request in queue.requests
        ]
        shares: collections.Counter[str] = collections.Counter()
        for request, _ in waiting:
            shares[request.client.address] += request.rows
        mine = clients.CURRENT.get().address
        [(greediest, _)] = shares.most_common(1) or [(mine, 0)]
        if greediest == mine:
            return
        of_greediest = [each for each in waiting if each[0].client.address == greediest]
        for request, queue in sorted(of_greediest, key=lambda each: each[0].queued_at, reverse=True):
            if not self._full(lane, rows) or shares[greediest] - request.rows < shares[mine] + rows:
                break
            queue.drop(request)
            shares[greediest] -= request.rows
            if not request.future.done():
                request.future.set_exception(self._is_full(lane))
        for key in [key for key, queue in self._queues.items() if not queue.requests]:
            del self._queues[key]

    def _drop_expired(self, lane: Lane, now: float) -> None:
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
            batch.started = time.monotonic()
            work = self._threads.submit(self._execution.run, batch)
            work.add_done_callback(functools.partial(self._executed, loop, batch))

    def _executed(self, loop: asyncio.AbstractEventLoop, batch: Batch, done: Future[list[Outcome]]) -> None:
        loop.call_soon_threadsafe(self._finish, batch, done)

    def _next_batch(self) -> Batch | None:
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
                return Batch(servable, queue.lane, queue.outputs, requests, queue.alone)

    def _ready(self, now: float) -> Hashable:
        """The first queue that is worth a batch now; None if there is none."""
        timeout = self._options.batch_timeout_micros / 1e6
        if not timeout and not self._concurrency.is_reached(self._waiting.total() + self._running, now):
            timeout = self._wait.seconds(now)
        limit = self._options.execution_rows
        shortest = None
        for key, queue in self._queues.items():
            if not self._share.may_take(queue.lane, self._idle, now):
                continue  # until a batch ends
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

    def _finish(self, batch: Batch, done: Future[list[Outcome]]) -> None:
        """Back in the event loop: answers the requests of a batch and starts the next."""
        self._idle += 1
        self._running -= len(batch.requests)
        self._finished_at = time.monotonic()
        self._share.ended(batch.lane, self._finished_at - batch.started, self._finished_at)
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


async def all_of(answers: Iterable[Awaitable[_T]]) -> list[_T]:
    """Their results; if any fails, its error, but only once all have ended."""
    found = await asyncio.gather(*answers, return_exceptions=True)
    results: list[_T] = []
    for result in found:
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results
