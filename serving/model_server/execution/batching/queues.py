"""What waits for a batch: requests, by signature and by what may run together."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import weakref
from typing import TYPE_CHECKING

import numpy as np

from serving.model_server.execution import clients, merging
from serving.model_server.execution.batching.options import BatchingOptions
from serving.protocol.errors import Code, StatusError

if TYPE_CHECKING:
    from serving.model_server.versions.servables import Servable

Tensors = dict[str, np.ndarray]


class Request:
    __slots__ = ("client", "deadline", "future", "inputs", "queued_at", "rows")

    def __init__(
        self, inputs: Tensors, rows: int, deadline: float | None, future: asyncio.Future[Tensors], now: float
    ) -> None:
        self.inputs = inputs
        self.rows = rows
        self.deadline = deadline
        self.future = future
        self.queued_at = now
        self.client = clients.CURRENT.get()

    def expired(self, now: float) -> bool:
        """Whether it is answered, cancelled or past its deadline, which is then its answer."""
        if self.future.done():
            return True
        if self.deadline is not None and self.deadline <= now:
            self.future.set_exception(late())
            return True
        return False


class Lane:
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


class Queue:
    """Requests that may run together, oldest first; or, of those that may not, one after the other."""

    __slots__ = ("alone", "lane", "outputs", "requests", "rows")

    def __init__(self, lane: Lane, outputs: tuple[str, ...], alone: bool) -> None:
        self.lane = lane
        self.outputs = outputs
        self.alone = alone
        self.requests: collections.deque[Request] = collections.deque()
        self.rows = 0

    def take(self, limit: int, now: float) -> list[Request]:
        """The oldest living requests that fit into `limit` rows; one at least, if there is any."""
        taken: list[Request] = []
        rows = 0
        while self.requests and (not taken or (not self.alone and rows + self.requests[0].rows <= limit)):
            request = self.pop()
            if not request.expired(now):
                taken.append(request)
                rows += request.rows
        return taken

    def drop(self, request: Request) -> None:
        """Takes a waiting request out."""
        self.requests.remove(request)
        self._left(request)

    def pop(self) -> Request:
        request = self.requests.popleft()
        self._left(request)
        return request

    def _left(self, request: Request) -> None:
        self.rows -= request.rows
        self.lane.waiting_rows -= request.rows
        self.lane.waiting_requests -= 1
        self.lane.waiting_by_model[self.lane.name] -= 1


@dataclasses.dataclass(slots=True)
class Batch:
    servable: Servable
    lane: Lane
    outputs: tuple[str, ...]
    requests: list[Request]
    alone: bool
    started: float = 0.0  # time.monotonic() when a thread got it


def late() -> StatusError:
    return StatusError(Code.DEADLINE_EXCEEDED, "the deadline passed while the request waited for its batch")
