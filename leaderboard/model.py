"""What every model of the leaderboard is: `fit` on a split, `score` a history."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from leaderboard.split import Histories, Queries, Split


@dataclasses.dataclass
class Model(abc.ABC):
    """A recommender. Subclasses are dataclasses whose fields are their hyperparameters.

    Attributes:
      seed: of whatever is drawn.
      NAME: in the registry.
      SPACE: what tuning may choose: hyperparameter -> its values, all of which are in
        force somewhere in the literature or in the model's own documentation.
      RATES: whether it predicts stars (`predict_ratings`).
      RANDOM: whether another seed makes another model.
    """

    seed: int = 0

    NAME: ClassVar[str]
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    RATES: ClassVar[bool] = False
    RANDOM: ClassVar[bool] = False

    # The same for the same fit begun again, on the same data by the same sources; "": not known.
    fit_name = ""

    @abc.abstractmethod
    def fit(self, split: Split) -> None:
        """Learns from `split.train`; may stop early by `split.eval`, whose targets may be none.

        `split.test` is None.
        """

    @abc.abstractmethod
    def score_many(self, queries: Queries) -> np.ndarray:
        """float[B, N]: the higher, the sooner an item is recommended; -inf: never.

        History need not be excluded: the evaluator does that.
        """

    def score(self, user_id: str, history: Histories) -> np.ndarray:
        """float[N] for one person and one list of events (`Histories.one`)."""
        scores: np.ndarray = self.score_many(Queries.one(user_id, history))[0]
        return scores

    def predict_ratings(self, queries: Queries, asked: Histories) -> np.ndarray:
        """float[E]: stars, not clipped, for the items of B lists, those of query b in list b.

        Raises:
          NotImplementedError: the model only ranks (RATES is false).
        """
        raise NotImplementedError(f"{self.NAME} ranks items and predicts no ratings")

    @property
    @abc.abstractmethod
    def parameters(self) -> int:
        """How many numbers `fit` learnt; a sparse matrix counts what it stores."""

    def chosen(self) -> dict[str, Any]:
        """Hyperparameters that `fit` found out on eval, such as the number of epochs.

        A refit on data without eval is given them.
        """
        return {}
