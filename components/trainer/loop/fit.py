"""A fit in steps: early stopping, TensorBoard, progress around the training loop."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

import contract
from components.common import progress, storage
from components.model.batches import Pairs, Sequences
from components.model.protocols import LearnsInSteps
from components.trainer.inputs import events
from components.trainer.loop import workers
from components.trainer.loop.checkpoints import Checkpoints
from components.trainer.loop.lazy_adam import LazyAdam
from components.trainer.loop.training_loop import TrainingLoop
from components.trainer.params import TrainerParams

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class FitResult:
    """What a fit came to.

    Attributes:
      best_epoch: 1-based epoch whose weights were kept; 0 for a closed form, which has no epochs.
      epochs: epochs run.
      recall: k -> eval Recall@k of the kept weights; empty without eval users.
    """

    best_epoch: int
    epochs: int
    recall: dict[int, float]

    def write(self, run_dir: str) -> None:
        """Writes contract.FIT into the folder of a model_run artifact."""
        storage.write_text(
            storage.join(run_dir, contract.FIT), json.dumps(dataclasses.asdict(self), indent=1)
        )

    @classmethod
    def read(cls, run_dir: str) -> FitResult:
        return cls.of(json.loads(storage.read_text(storage.join(run_dir, contract.FIT))))

    @classmethod
    def of(cls, data: dict[str, Any]) -> FitResult:
        """From JSON, which has texts for keys."""
        recall = {int(k): value for k, value in data["recall"].items()}
        return cls(best_epoch=data["best_epoch"], epochs=data["epochs"], recall=recall)


def learning_rate(peak: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up over the first 5 % of the steps, then a cosine to 0."""
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - max(1, steps // 20)),
        warmup_target=peak,
        warmup_steps=max(1, steps // 20),
    )


def fit(
    model: LearnsInSteps,
    windows: events.Windows,
    positions: events.PairPositions,
    eval_recall: Callable[[], dict[int, float]],
    params: TrainerParams,
    log_dir: str,
    last_epoch: int | None = None,
    checkpoints: Checkpoints | None = None,
) -> FitResult:
    """Fit `model` in place and leave it with the weights of its best epoch.

    In one process or, under a strategy's scope, in several workers: see `workers`.

    Args:
      model: fresh, or with the weights to start from.
      windows, positions: the (prefix, next) pairs.
      eval_recall: k -> eval Recall@k of `model` as it is; empty if there is nothing
        held out: then nothing stops early, and the last epoch is the best.
      params: seed, schedule, patience.
      log_dir: for TensorBoard.
      last_epoch: end after this epoch, at most `params.epochs`, on the learning rates
        that it and those before it have in a fit of all epochs. None: all epochs, or as
        many steps as `params.max_steps` allows.
      checkpoints: go on from the last of them, and write them; None: neither.

    Raises:
      FloatingPointError: the loss is not finite; the step and what to change are named.
    """
    by_sequence = model.by_sequence
    part = workers.own_part(windows)
    ends = events.window_ends(windows.events, model.params.history_window) if by_sequence else np.zeros(0)

    def batches(seed: int, first: int, end: int | None) -> tf.data.Dataset:
        if by_sequence:
            sizes = (params.sequence_batch, params.batch_size)
            # Each worker needs a window of every batch.
            fewest = workers.count()
            return events.sequence_batches(part, ends, positions, sizes, seed, fewest, first, end)
        return events.training_batches(part, positions, params.batch_size, seed, first, end).map(_alone)

    def train(*batch: Pairs | Sequences) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            losses = model.step_losses(*batch, training=True)
            loss = model.total_loss(losses)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return losses

    # AutoGraph would convert all of Keras (14 s) for control flow that is not there.
    loop = TrainingLoop(
        batches,
        lambda: tf.function(workers.on_replicas(train), autograph=False),
        params.seed,
        checkpoints.every if checkpoints else None,
    )
    steps = loop.steps
    length = steps * params.epochs
    if params.max_steps:
        length = min(length, params.max_steps)
    adam = LazyAdam if params.lazy_adam else keras.optimizers.Adam
    # On a GPU Keras would have XLA compile the update of an embedding anew for each number of rows.
    optimizer = adam(learning_rate(params.learning_rate, length), jit_compile=False)

    writer = tf.summary.create_file_writer(log_dir)
    at = _Progress(best=FitResult(best_epoch=0, epochs=0, recall={}), best_weights=model.get_weights())
    if checkpoints:
        checkpoints.attach(model, optimizer)
        at.restore(checkpoints)
    epochs = math.ceil(length / steps)  # the last one may be a part
    if last_epoch is not None:
        epochs = min(last_epoch, epochs)
    total = min(length, steps * epochs)
    while at.epoch < epochs and at.epoch - at.best.best_epoch < params.patience:
        epoch = at.epoch + 1
        started, waited = time.monotonic(), loop.waited
        text = f"epoch {epoch}/{epochs}"
        before = (epoch - 1) * steps
        in_epoch = min(steps, length - before)
        for i, losses in enumerate(loop.run(epoch, at.step, in_epoch), at.step):
            if i % 10 == 0 or i == in_epoch - 1:
                progress.report(before + i + 1, total, f"{text}  {recall_text(at.best.recall)}")
            for name, value in losses.items():
                at.sums[name] = at.sums.get(name, 0.0) + float(value)
            if not math.isfinite(sum(at.sums.values())):
                raise FloatingPointError(
                    f"the loss became {at.sums} at step {i + 1} of epoch {epoch}; "
                    "lower trainer.learning_rate or raise model.temperature"
                )
            if checkpoints and i + 1 < in_epoch and loop.checkpoint_after(i + 1):
                at.step = i + 1
                at.save(checkpoints)
        trained = time.monotonic() - started
        recall = workers.of_chief(eval_recall)
        means = {name: value / in_epoch for name, value in at.sums.items()}
        seconds, waited = time.monotonic() - started, loop.waited - waited
        _log.info(
            "epoch %d: %.1f s, %d steps in %.1f s of which %.2f s waiting for input, losses %s, %s",
            epoch, seconds, in_epoch, trained, waited, means, recall_text(recall),
        )  # fmt: skip
        with writer.as_default(step=epoch):
            for name, value in means.items():
                tf.summary.scalar(f"loss/{name}", value)
            for k, value in recall.items():
                tf.summary.scalar(f"eval/recall@{k}", value)
        # Without eval users there is nothing to stop on.
        score = recall.get(params.monitor_k, float(epoch))
        if score > at.best_score:
            at.best_score, at.best_weights = score, model.get_weights()
            at.best = FitResult(best_epoch=epoch, epochs=epoch, recall=recall)
        at.epoch, at.step, at.sums = epoch, 0, {}
        if checkpoints:
            at.save(checkpoints)
    writer.close()
    model.set_weights(at.best_weights)
    best = dataclasses.replace(at.best, epochs=at.epoch)
    progress.report(total, total, f"best epoch {best.best_epoch}  {recall_text(best.recall)}")
    return best


@dataclasses.dataclass
class _Progress:
    """How far a fit is.

    Attributes:
      best, best_weights: of the epochs so far; best_score: what they are compared by.
      epoch: epochs finished; step: steps done of the next one, sums: their losses.
    """

    best: FitResult
    best_weights: list[np.ndarray]
    best_score: float = -math.inf
    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = dataclasses.field(default_factory=dict)

    def save(self, checkpoints: Checkpoints) -> None:
        facts = {**vars(self), "best": dataclasses.asdict(self.best)}
        checkpoints.save(facts, facts.pop("best_weights"))

    def restore(self, checkpoints: Checkpoints) -> None:
        found = checkpoints.restore()
        if found is not None:
            facts, self.best_weights = found
            vars(self).update(facts, best=FitResult.of(facts["best"]))
            _log.info("going on after step %d of epoch %d", self.step, self.epoch + 1)


def _alone(pairs: Pairs) -> tuple[Pairs]:
    return (pairs,)


def recall_text(recall: dict[int, float]) -> str:
    return "  ".join(f"eval recall@{k} {value:.4f}" for k, value in recall.items())
