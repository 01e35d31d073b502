"""Fits what is solved and not trained: a closed-form model, and the factors of the predicted stars."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from components.common import progress
from components.model.closed_form import rating_factors, user_items
from components.model.closed_form.models import ClosedForm
from components.model.params import ModelParams
from components.trainer.inputs import catalogue
from components.trainer.inputs.events import Events, some_records
from components.trainer.loop.fit import FitResult, recall_text

_log = logging.getLogger(__name__)


def build(
    params: ModelParams,
    seed: int,
    transform: catalogue.ItemTransform,
    items: catalogue.Items,
    train: Events,
    implicit: bool = False,
) -> ClosedForm:
    """A fitted model; the arguments are those of `run.fit_model`."""
    vocabulary = transform.sizes.items
    model = ClosedForm(params, vocabulary, items.catalogue, implicit)
    some, index = sample(params, seed, items, train)
    if model.rating_factors is not None:
        fit_rating_factors(model.rating_factors, params, seed, index, some, vocabulary)
    started = time.monotonic()
    model.fit(user_items.watched(index, some.offsets, vocabulary))
    _log.info("%s of %d events solved in %.1f s", params.kind, len(index), time.monotonic() - started)
    return model


def sample(
    params: ModelParams, seed: int, items: catalogue.Items, train: Events
) -> tuple[Events, np.ndarray]:
    """The events that closed forms are fitted on, and int32[E]: their rows of the item vocabulary."""
    some = some_records(train, params.closed_form_events, seed)
    return some, np.asarray(items.catalogue.features.item_index)[some.rows]


def measured(
    model: ClosedForm, eval_recall: Callable[[], dict[int, float]] | None, log_dir: str
) -> FitResult:
    """What it came to, also for TensorBoard; it has no epochs."""
    recall = eval_recall() if eval_recall else {}
    writer = tf.summary.create_file_writer(log_dir)
    with writer.as_default(step=0):
        for k, value in recall.items():
            tf.summary.scalar(f"eval/recall@{k}", value)
    writer.close()
    progress.report(1, 1, f"{model.params.kind}  {recall_text(recall)}")
    return FitResult(best_epoch=0, epochs=0, recall=recall)


def fit_rating_factors(
    factors: rating_factors.RatingFactors,
    params: ModelParams,
    seed: int,
    index: np.ndarray,
    known: Events,
    vocabulary: int,
) -> None:
    """Set `factors` to those of known ratings.

    Args:
      index: int32[E], the events' rows of the item vocabulary; `vocabulary` for one out of it.
    """
    started = time.monotonic()
    ratings = user_items.mean_ratings(index, known.ratings, known.offsets, vocabulary)
    factors.assign(rating_factors.fit(ratings, params.rating_factors, params.rating_factors_sweeps, seed))
    _log.info("rating factors of %d events: %.1f s", len(index), time.monotonic() - started)
