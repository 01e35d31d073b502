"""What the models fitted by TensorFlow share: seeds, early stopping, rating pairs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras

from components.common import progress
from leaderboard.split import Split


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Ratings, one per entry: int32[P] user (position in split.user_ids), int32[P] row, float32[P] stars."""

    users: np.ndarray
    rows: np.ndarray
    stars: np.ndarray

    @classmethod
    def train(cls, split: Split) -> Pairs:
        events = split.train
        return cls(events.owner.astype(np.int32), events.rows, events.ratings)

    @classmethod
    def held_out(cls, split: Split) -> Pairs | None:
        """The eval ratings of users who are in train; None where nothing is held out."""
        events = split.eval.targets
        known = (split.train.lengths > 0)[events.owner]
        if not known.any():
            return None
        return cls(events.owner[known].astype(np.int32), events.rows[known], events.ratings[known])


def seeded(seed: int) -> None:
    """The same seed, the same weights, order and dropout."""
    keras.utils.set_random_seed(seed)


def fit_epochs(
    name: str,
    epoch: Callable[[], float],
    weights: Sequence[tf.Variable],
    epochs: int,
    patience: int,
    score: Callable[[], float] | None,
) -> int:
    """Runs epochs and leaves `weights` as they were after the best one.

    Args:
      epoch: one epoch; returns its loss.
      patience: epochs without a better score before it ends.
      score: on eval, higher is better; None: nothing is held out, so all epochs are run.

    Returns:
      The 1-based epoch that was kept.

    Raises:
      FloatingPointError: the loss is not finite.
    """
    best, best_score, kept = 0, -math.inf, [weight.numpy() for weight in weights]
    for number in range(1, epochs + 1):
        loss = epoch()
        if not math.isfinite(loss):
            raise FloatingPointError(f"{name}: the loss became {loss} in epoch {number}")
        if score is None:
            best = number
            progress.report(number, epochs, f"{name}  loss {loss:.4f}")
            continue
        found = score()
        progress.report(number, epochs, f"{name}  loss {loss:.4f}  eval {found:.4f}")
        if found > best_score:
            best, best_score, kept = number, found, [weight.numpy() for weight in weights]
        elif number - best >= patience:
            break
    if score is not None:
        for weight, value in zip(weights, kept, strict=True):
            weight.assign(value)
    return best


def fit_ratings(
    model: keras.Model,
    train: tuple[list[np.ndarray], np.ndarray],
    held_out: tuple[list[np.ndarray], np.ndarray] | None,
    *,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    patience: int,
) -> int:
    """Mean squared error by Adam; the rate falls on a plateau of the eval loss, which also stops the fit.

    Returns:
      The 1-based epoch whose weights are kept; without eval the last.
    """
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse")
    callbacks = []
    if held_out is not None:
        callbacks = [
            keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=max(1, patience // 2), min_lr=1e-5),
        ]
    history = model.fit(
        *train,
        batch_size=batch_size,
        epochs=epochs,
        validation_data=held_out,
        callbacks=callbacks,
        verbose=0,
    ).history
    losses = history.get("val_loss", history["loss"])
    if not np.isfinite(losses).all():
        raise FloatingPointError(f"{model.name}: the losses are {losses}")
    return int(np.argmin(losses)) + 1 if held_out is not None else len(losses)


def size(weights: Sequence[tf.Variable]) -> int:
    """How many numbers the variables hold."""
    return int(sum(np.prod(weight.shape) for weight in weights))
