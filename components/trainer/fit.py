"""The training loop: steps, early stopping, TensorBoard, progress."""

from __future__ import annotations

import collections
import dataclasses
import json
import logging
import math
import time
from collections.abc import Callable
from typing import cast

import numpy as np
import tensorflow as tf
import tf_keras as keras

from components import contract, progress, storage
from components.model.batches import Pairs, Sequences
from components.model.two_tower import TwoTower
from components.trainer import events
from components.trainer.params import TrainerParams

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class FitResult:
    """What a fit came to.

    Attributes:
      best_epoch: 1-based epoch whose weights were kept.
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
        data = json.loads(storage.read_text(storage.join(run_dir, contract.FIT)))
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
    model: TwoTower,
    windows: events.Windows,
    positions: np.ndarray,
    eval_recall: Callable[[], dict[int, float]],
    params: TrainerParams,
    log_dir: str,
    last_epoch: int | None = None,
) -> FitResult:
    """Fit `model` in place and leave it with the weights of its best epoch.

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

    Raises:
      FloatingPointError: the loss is not finite; the step and what to change are named.
    """
    by_sequence = model.params.query_encoder == "transformer"
    losses_of = cast(
        Callable[..., dict[str, tf.Tensor]], model.sequence_losses_of if by_sequence else model.losses_of
    )
    if by_sequence:
        ends = events.window_ends(windows.events, model.params.history_window)
        sizes = (params.sequence_batch, params.batch_size)
        dataset = events.sequence_batches(windows, ends, positions, sizes, params.seed)
    else:
        dataset = events.training_batches(windows, positions, params.batch_size, params.seed).map(_alone)
    steps = int(dataset.cardinality())
    length = steps * params.epochs
    if params.max_steps:
        length = min(length, params.max_steps)
    optimizer = keras.optimizers.Adam(learning_rate(params.learning_rate, length))

    # AutoGraph would convert all of Keras (14 s) for control flow that is not there.
    @tf.function(autograph=False)
    def step(*batch: Pairs | Sequences) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            losses = losses_of(*batch, training=True)
            loss = model.total_loss(losses)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return losses

    writer = tf.summary.create_file_writer(log_dir)
    best = FitResult(best_epoch=0, epochs=0, recall={})
    best_score, best_weights = -math.inf, model.get_weights()
    epochs = math.ceil(length / steps)  # the last one may be a part
    if last_epoch is not None:
        epochs = min(last_epoch, epochs)
    total = min(length, steps * epochs)
    epoch = 0
    for epoch in range(1, epochs + 1):
        started = time.monotonic()
        sums: dict[str, float] = collections.defaultdict(float)
        text = f"epoch {epoch}/{epochs}"
        before = (epoch - 1) * steps
        in_epoch = min(steps, length - before)
        for i, batch in enumerate(dataset if in_epoch == steps else dataset.take(in_epoch)):
            losses = step(*batch)
            if i % 10 == 0 or i == in_epoch - 1:
                progress.report(before + i + 1, total, f"{text}  {_recall_text(best.recall)}")
            for name, value in losses.items():
                sums[name] += float(value)
            if not math.isfinite(sum(sums.values())):
                raise FloatingPointError(
                    f"the loss became {dict(sums)} at step {i + 1} of epoch {epoch}; "
                    "lower trainer.learning_rate or raise model.temperature"
                )
        recall = eval_recall()
        means = {name: value / in_epoch for name, value in sums.items()}
        seconds = time.monotonic() - started
        _log.info("epoch %d: %.1f s, losses %s, %s", epoch, seconds, means, _recall_text(recall))
        with writer.as_default(step=epoch):
            for name, value in means.items():
                tf.summary.scalar(f"loss/{name}", value)
            for k, value in recall.items():
                tf.summary.scalar(f"eval/recall@{k}", value)
        # Without eval users there is nothing to stop on.
        score = recall.get(params.monitor_k, float(epoch))
        if score > best_score:
            best_score, best_weights = score, model.get_weights()
            best = FitResult(best_epoch=epoch, epochs=epoch, recall=recall)
        elif epoch - best.best_epoch >= params.patience:
            break
    writer.close()
    model.set_weights(best_weights)
    best = dataclasses.replace(best, epochs=epoch)
    progress.report(total, total, f"best epoch {best.best_epoch}  {_recall_text(best.recall)}")
    return best


def _alone(pairs: Pairs) -> tuple[Pairs]:
    return (pairs,)


def _recall_text(recall: dict[int, float]) -> str:
    return "  ".join(f"eval recall@{k} {value:.4f}" for k, value in recall.items())
