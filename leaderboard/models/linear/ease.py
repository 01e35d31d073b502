"""EASE: a linear item-item model in closed form."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.linalg
import scipy.sparse as sp

import contract
from leaderboard.model import Model
from leaderboard.split import Histories, Queries, Split


@dataclasses.dataclass
class Ease(Model):
    """B = I - P diag(1 / diag P) with P = (X'X + regularisation I)^-1; a history x scores x B.

    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. Where there are
    fewer users than items, P is never built: by Woodbury's identity
    P = (I - X' K^-1 X) / regularisation with K = regularisation I + XX', users by users.

    Attributes:
      liked: where ratings below contract.RELEVANT_RATING are left out: nowhere ("none"), in
        the fit ("fit"), or in the history that is asked with too ("both").
      half_life: events after which one of the history counts half, 0 = never.
    """

    regularisation: float = 300.0
    liked: Literal["none", "fit", "both"] = "none"
    half_life: float = 0.0

    NAME: ClassVar[str] = "ease"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "regularisation": (300.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0),
        "liked": ("none", "fit", "both"),
    }

    def fit(self, split: Split) -> None:
        train = split.train if self.liked == "none" else _liked(split.train)
        counts = np.bincount(train.rows, minlength=split.catalogue.size)
        self._rows = np.flatnonzero(counts)
        # Position among the items that were seen; the others cannot be scored.
        self._column = np.full(split.catalogue.size, -1)
        self._column[self._rows] = np.arange(len(self._rows))
        seen = train.matrix(split.catalogue.size)[:, self._rows]
        seen = seen[np.diff(seen.indptr) > 0]
        self._fewer_users = seen.shape[0] < seen.shape[1]
        if self._fewer_users:
            kernel = (seen @ seen.T).toarray().astype(np.float64)
            kernel[np.diag_indices_from(kernel)] += self.regularisation
            self._seen = seen
            self._inverse = scipy.linalg.inv(kernel, overwrite_a=True)
            # diag(X' K^-1 X): X is sparse, so column by column over its entries.
            product = self._inverse @ seen
            self._diagonal = (1.0 - np.asarray(seen.multiply(product).sum(axis=0)).ravel()) / (
                self.regularisation
            )
        else:
            gram = (seen.T @ seen).toarray().astype(np.float64)
            gram[np.diag_indices_from(gram)] += self.regularisation
            self._inverse = scipy.linalg.inv(gram, overwrite_a=True)
            self._diagonal = np.diag(self._inverse).copy()

    def score_many(self, queries: Queries) -> np.ndarray:
        history = _liked(queries.history) if self.liked == "both" else queries.history
        weights = np.exp2(-history.ages / self.half_life) if self.half_life else None
        asked: sp.csr_matrix = history.matrix(len(self._column), weights)[:, self._rows]
        if self._fewer_users:
            projected = np.asarray((asked @ self._seen.T).todense()) @ self._inverse
            times_p = (np.asarray(asked.todense()) - projected @ self._seen) / self.regularisation
        else:
            times_p = asked @ self._inverse
        scores = np.full((len(queries), len(self._column)), -np.inf)
        scores[:, self._rows] = np.asarray(asked.todense()) - times_p / self._diagonal
        return scores

    @property
    def parameters(self) -> int:
        """Of B, which need not be built to be used."""
        return len(self._rows) ** 2


def _liked(events: Histories) -> Histories:
    return events.where(events.ratings >= contract.RELEVANT_RATING)


@dataclasses.dataclass
class EaseRecency(Ease):
    """EASE asked with a history in which an event `half_life` events ago counts half."""

    half_life: float = 5.0

    NAME: ClassVar[str] = "ease_recency"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **Ease.SPACE,
        "half_life": (5.0, 2.0, 10.0, 20.0, 50.0),
    }
