"""The training loop: batches through the step; an interrupted fit goes on as if it had not been one."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from components.trainer.loop import workers

Step = Callable[..., dict[str, tf.Tensor]]


class TrainingLoop:
    """The steps of a fit, epoch by epoch.

    The order of an epoch's batches follows from the seed and the epoch: it is the same wherever it is
    taken up, and on all workers. Dropout and negatives are drawn from the state of TensorFlow's random
    operations, which cannot be saved: a fit with checkpoints begins it anew at each, from the seed and
    the place it is at, where the step's graph is therefore built anew (seconds). Each worker draws its
    own.

    Args:
      batches: (seed, first step, end) -> those steps of one epoch; end None: up to the last.
      new_step: -> a step on one batch, the losses by name.
      seed: of the fit.
      every: steps between checkpoints, 0: an epoch; None: without any.

    Attributes:
      steps: of an epoch.
      waited: seconds that steps have waited for their batches so far.
    """

    def __init__(
        self,
        batches: Callable[[int, int, int | None], tf.data.Dataset],
        new_step: Callable[[], Step],
        seed: int,
        every: int | None,
    ) -> None:
        self._batches, self._new_step = batches, new_step
        self._seed, self._every = seed, every
        self.waited = 0.0
        self.steps = int(batches(seed, 0, None).cardinality())
        if every is None:
            if workers.count() > 1:
                _begin_anew(seed)
            self._step = new_step()

    def checkpoint_after(self, step: int) -> bool:
        """Whether one is due after this many steps of an epoch that goes on."""
        return self._every is not None and self._every > 0 and step % self._every == 0

    def run(self, epoch: int, first: int, end: int) -> Iterator[dict[str, tf.Tensor]]:
        """The losses of steps `first` to `end` (exclusive) of an epoch, 1-based."""
        batches = self._awaited(self._batches(_mixed(self._seed, epoch), first, end))
        if self._every is None:
            for batch in batches:
                yield self._step(*batch)
            return
        step = None
        for i, batch in enumerate(batches, first):
            if step is None or self.checkpoint_after(i):
                _begin_anew(self._seed, epoch, i)
                step = self._new_step()
            yield step(*batch)

    def _awaited(self, batches: Iterable[Any]) -> Iterator[Any]:
        iterator = iter(batches)
        while True:
            began = time.monotonic()
            batch = next(iterator, None)
            self.waited += time.monotonic() - began
            if batch is None:
                return
            yield batch


def _begin_anew(*place: int) -> None:
    """What random operations that are built from now on draw follows from `place` and the worker alone."""
    tf.random.set_seed(_mixed(*place, workers.number()))


def _mixed(*numbers: int) -> int:
    return zlib.crc32(repr(numbers).encode()) >> 1
