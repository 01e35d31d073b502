"""What a model is built from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from components.common.event_lists import Events
from components.model.batches import Pairs
from components.model.features import Catalogue
from components.model.hyperparameters import Hyperparameters
from components.model.profile import Profiles
from components.model.towers.encoders import Sizes


@dataclasses.dataclass(frozen=True)
class FitInputs:
    """Data and hyperparameters of a fit, the same for every kind of model.

    Attributes:
      params: the config's model section.
      seed: of whatever is drawn.
      sizes: of the vocabularies, and what is known of items.
      catalogue: N items.
      train: events of the train split; `rows` are the catalogue's.
      sample_pairs: n -> (prefix, next) pairs of `train`, at most n, drawn evenly, the same each time.
      implicit: the events have weights instead of ratings.
      profiles: what is known of users beside their events; None: nothing.
      uniform_negatives, rating_weight, low_rating_weight: of the trainer section, see `TwoTower`.
    """

    params: Hyperparameters
    seed: int
    sizes: Sizes
    catalogue: Catalogue
    train: Events
    sample_pairs: Callable[[int], Pairs]
    implicit: bool = False
    profiles: Profiles | None = None
    uniform_negatives: int = 0
    rating_weight: float = 1.0
    low_rating_weight: float = 1.0
