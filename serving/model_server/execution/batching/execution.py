"""A batch, run: merged, halved where it fails, split again. In a batch thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from serving.model_server.execution import merging
from serving.model_server.execution.batching.options import BatchingOptions
from serving.model_server.execution.batching.queues import Batch, Request, Tensors, late
from serving.protocol.errors import StatusError

if TYPE_CHECKING:
    from serving.model_server.execution.runtime import Model
    from serving.model_server.observe.metrics import Metrics

Outcome = Tensors | StatusError


class BatchExecution:
    """Runs batches; has no state of its own, so any thread may.

    Args:
      options: of the batches.
      metrics: told of each batch; None for none.
    """

    def __init__(self, options: BatchingOptions, metrics: Metrics | None) -> None:
        self._options = options
        self._metrics = metrics

    def run(self, batch: Batch) -> list[Outcome]:
        """Outcomes in the order of the batch's requests."""
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

    def _observe(self, requests: list[Request]) -> None:
        assert self._metrics is not None
        now = time.monotonic()
        rows = sum([request.rows for request in requests])
        waited = [now - request.queued_at for request in requests]
        self._metrics.observe_batch(self._options.thread_pool_name, rows, self._padding(rows), waited)

    def _together(
        self, model: Model, rule: merging.Merging, batch: Batch, requests: list[Request]
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
        self, model: Model, rule: merging.Merging, batch: Batch, requests: list[Request]
    ) -> list[Outcome]:
        """As `_together`; a request past its deadline costs no further run."""
        now = time.monotonic()
        are_late = [request.deadline is not None and request.deadline <= now for request in requests]
        living = [request for request, is_late in zip(requests, are_late, strict=True) if not is_late]
        answers = iter(self._together(model, rule, batch, living) if living else [])
        return [late() if is_late else next(answers) for is_late in are_late]

    def _alone(self, model: Model, batch: Batch, inputs: Tensors) -> Outcome:
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
