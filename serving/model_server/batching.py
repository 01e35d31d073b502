"""Requests that arrive together run together."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from serving.model_server.servables import Servable


@dataclasses.dataclass(frozen=True)
class BatchingOptions:
    """TensorFlow Serving's batching parameters, with defaults for no waiting.

    Attributes:
      enabled: False runs every request alone.
      max_batch_size: rows that go together.
      batch_timeout_micros: how long a batch that is not full waits for more.
      max_enqueued_batches: full batches that may wait per signature; beyond, UNAVAILABLE.
      num_batch_threads: batches that run at the same time.
      thread_pool_name: of the batch threads.
      allowed_batch_sizes: increasing, the last one is the maximum; a batch is
        padded to the next one. Empty: any size.
      pad_variable_length_inputs: whether requests of different widths may go
        together (for our own signatures always).
      enable_large_batch_splitting: a request wider than max_execution_batch_size is cut.
      max_execution_batch_size: rows that one execution may have; 0 = max_batch_size.
    """

    enabled: bool = True
    max_batch_size: int = 128
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 64
    num_batch_threads: int = 2
    thread_pool_name: str = "batch_threads"
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0


class Batcher:
    """Runs requests in batch threads. To be used from one event loop."""

    def __init__(self, options: BatchingOptions, metrics: object = None) -> None:
        self._options = options
        self._pool = ThreadPoolExecutor(options.num_batch_threads, options.thread_pool_name)

    async def run(
        self,
        servable: Servable,
        signature: str,
        inputs: dict[str, np.ndarray],
        outputs: Sequence[str],
        deadline: float | None = None,
    ) -> dict[str, np.ndarray]:
        """As `Model.run`, together with whatever else waits for the same signature.

        Args:
          servable: whose model runs; the caller holds it until this returns.
          signature: key of the signature.
          inputs: exactly its inputs, of their types.
          outputs: which outputs to compute.
          deadline: time.monotonic() seconds after which nobody waits for the answer.

        Raises:
          StatusError: UNAVAILABLE at once if the queue is full, DEADLINE_EXCEEDED
            if the deadline passed before the request ran, else what the model says.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, servable.model.run, signature, inputs, outputs)

    def close(self) -> None:
        """Ends the batch threads. Nothing may be waiting."""
        self._pool.shutdown()
