"""The two-tower from the data: statistics taken, closed-form parts solved, every weight created."""

from __future__ import annotations

import logging
import time

import numpy as np

from components.model import user_features
from components.model.closed_form import ease
from components.model.closed_form.user_items import SampledEvents
from components.model.fit_inputs import FitInputs
from components.model.towers.two_tower import TwoTower

# Prefixes on which the user features are standardised.
_ADAPT_SAMPLE = 65_536

_log = logging.getLogger(__name__)


def build(inputs: FitInputs) -> TwoTower:
    """A fresh model: what is learnt in steps is as it was drawn."""
    params = inputs.params
    pairs = inputs.sample_pairs(_ADAPT_SAMPLE)
    model = TwoTower(
        params,
        inputs.sizes,
        inputs.catalogue,
        global_mean=float(inputs.train.ratings.mean()),
        dates=_dates(inputs.train.timestamps),
        uniform_negatives=inputs.uniform_negatives,
        rating_weight=inputs.rating_weight,
        low_rating_weight=inputs.low_rating_weight,
        implicit=inputs.implicit,
        profiles=inputs.profiles,
    )
    model.standardise.adapt(user_features.summary(pairs.history, pairs.now))
    # One step's forward pass creates the weights, for a warm start and for saving.
    model.losses_of(inputs.sample_pairs(2), training=False)
    events = SampledEvents.of(inputs)
    if model.rating_factors is not None:
        model.rating_factors.assign(events.fit_rating_factors(params, inputs.seed))
    if model.item_item is not None:
        started = time.monotonic()
        dim = params.item_item_dim - 1
        model.item_item.assign(ease.fit_factors(events.watched(), dim, params.item_item_l2))
        _log.info("item-item part of %d events: %.1f s", len(events), time.monotonic() - started)
    return model


def _dates(timestamps: np.ndarray) -> tuple[int, int]:
    """First and last known time; (0, 0) if none is."""
    known = timestamps[timestamps > 0]
    return (int(known.min()), int(known.max())) if len(known) else (0, 0)
