"""TensorFlow Serving's batching parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from serving.model_server.process import cpus
from serving.model_server.versions import config_files


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
