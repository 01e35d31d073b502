"""A model of any kind, built and fitted: the same for a step of the pipeline and for the leaderboard."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import cast

import numpy as np
import tensorflow as tf

from components.common import progress
from components.model.batches import Pairs
from components.model.fit_inputs import FitInputs
from components.model.kinds import KINDS
from components.model.params import ModelParams
from components.model.profile import Profiles
from components.model.protocols import LearnsInSteps, Model
from components.model.signatures import Signatures
from components.trainer import warm_start
from components.trainer.inputs import catalogue, events
from components.trainer.loop import checkpoints, fit
from components.trainer.loop.eval_recall import EvalRecall
from components.trainer.params import TrainerParams

_log = logging.getLogger(__name__)


def fit_model(
    model_params: ModelParams,
    params: TrainerParams,
    transform: catalogue.ItemTransform,
    items: catalogue.Items,
    train: events.Events,
    held_out: tuple[events.Events, events.Events] | None,
    log_dir: str,
    last_epoch: int | None = None,
    *,
    implicit: bool = False,
    known: Profiles | None = None,
    kept: checkpoints.Checkpoints | None = None,
) -> tuple[Model, fit.FitResult]:
    """Builds the model of the kind that `model_params` says and fits it.

    Args:
      train: timelines; catalogue rows as in `items`, profiles as in `known`.
      held_out: histories and targets of the eval split, on whose Recall@k the fit stops; None
        if there is none.
      log_dir: for TensorBoard.
      last_epoch, kept: see `fit.fit`; a closed form has no epochs.
      implicit, known: see `FitInputs`.

    Raises:
      ValueError: nothing to train on, or the kind cannot learn from this log.
    """
    kind = model_params.entry
    if implicit and kind.needs_ratings:
        raise ValueError(
            f"model.kind = {kind.name}: learns from ratings, and this log has none; choose another kind"
        )
    positions = events.PairPositions(train)
    if len(positions) < 2:
        raise ValueError(
            f"train has {len(positions)} (prefix, next) pairs from {len(train.rows)} ratings; "
            "training needs users with at least two train ratings (four in all)"
        )
    _log.info(
        "training on %d pairs of %d users, %d items", len(positions), len(train.offsets) - 1, len(items.ids)
    )
    windows = events.Windows(train, model_params.history_window)
    model = build(model_params, params, transform, items, windows, positions, implicit, known)
    eval_recall: Callable[[], dict[int, float]] = dict
    if held_out is not None:
        ks = tuple(sorted({10, 100, params.monitor_k}))
        eval_recall = EvalRecall(model, *held_out, ks=ks, at_most=params.monitor_users)
    if not kind.in_steps:
        return model, _measured(kind.name, eval_recall(), log_dir)
    learner = cast(LearnsInSteps, model)
    if params.warm_start:
        words = warm_start.vocabularies(transform, known)
        warm_start.load(learner, words, warm_start.weights_file(params.warm_start))
    return model, fit.fit(learner, windows, positions, eval_recall, params, log_dir, last_epoch, kept)


def build(
    model_params: ModelParams,
    params: TrainerParams,
    transform: catalogue.ItemTransform,
    items: catalogue.Items,
    windows: events.Windows,
    positions: events.PairPositions,
    implicit: bool = False,
    known: Profiles | None = None,
) -> Model:
    """A model as its kind's code makes it, before the training loop; see `kinds.Code`."""

    def sample_pairs(most: int) -> Pairs:
        rng = np.random.default_rng(params.seed)
        sample = rng.choice(len(positions), min(most, len(positions)), replace=False)
        return windows.pairs(tf.constant(positions[np.sort(sample)]))

    return model_params.entry.code().build(
        FitInputs(
            model_params,
            params.seed,
            transform.sizes,
            items.catalogue,
            windows.events,
            sample_pairs,
            implicit=implicit,
            profiles=known,
            uniform_negatives=params.uniform_negatives,
            rating_weight=params.rating_weight,
            low_rating_weight=params.low_rating_weight,
        )
    )


def servable(model: Model, items: catalogue.Items, transform: catalogue.ItemTransform) -> Signatures:
    """A fitted model as it is exported."""
    return KINDS[model.params.kind].code().signatures(model, items.named(transform))


def _measured(kind: str, recall: dict[int, float], log_dir: str) -> fit.FitResult:
    """What a fit without epochs came to, also for TensorBoard."""
    writer = tf.summary.create_file_writer(log_dir)
    with writer.as_default(step=0):
        for k, value in recall.items():
            tf.summary.scalar(f"eval/recall@{k}", value)
    writer.close()
    progress.report(1, 1, f"{kind}  {fit.recall_text(recall)}")
    return fit.FitResult(best_epoch=0, epochs=0, recall=recall)
