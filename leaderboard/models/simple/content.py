"""Cosine between a person's profile and an item, by genres and tags."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

import contract
from leaderboard.model import Model
from leaderboard.split import Catalogue, Queries, Split


def unit_rows(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Every row of length 1, but rows of zeros."""
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scaled: sp.csr_matrix = sp.diags_array(1.0 / np.where(norms > 0, norms, 1.0)).tocsr() @ matrix
    return scaled.tocsr()


def tag_tfidf(catalogue: Catalogue) -> sp.csr_matrix:
    """float[N, T], sparse, rows of length 1: tf-idf of the tags.

    idf = ln((1 + N) / (1 + items with the tag)) + 1 (Salton and Buckley 1988, smoothed).
    """
    frequency = np.asarray(catalogue.tags.sum(axis=0)).ravel()
    idf = np.log((1.0 + catalogue.size) / (1.0 + frequency)) + 1.0
    return unit_rows((catalogue.tags @ sp.diags_array(idf)).tocsr())


@dataclasses.dataclass
class ContentCosine(Model):
    """Mean of the history's content vectors, weighted by stars, against every item's.

    Attributes:
      tag_weight: of the tags beside the genres (1 = as much).
      neutral: stars that weigh nothing; fewer weigh against.
      half_life: events after which one counts half, 0 = never.
    """

    tag_weight: float = 1.0
    neutral: float = 2.5
    half_life: float = 0.0

    NAME: ClassVar[str] = "content_cosine"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "tag_weight": (1.0, 0.5, 2.0),
        "neutral": (2.5, 0.0, 3.0),
        "half_life": (0.0, 5.0, 20.0),
    }

    def fit(self, split: Split) -> None:
        catalogue = split.catalogue
        parts = [unit_rows(catalogue.genres), self.tag_weight * tag_tfidf(catalogue)]
        self._content = unit_rows(sp.hstack(parts).tocsr())
        self._rated = np.bincount(split.train.rows, minlength=catalogue.size)

    def score_many(self, queries: Queries) -> np.ndarray:
        history = queries.history
        weights = (history.ratings - self.neutral) / contract.MAX_RATING
        if self.half_life:
            weights = weights * np.exp2(-history.ages / self.half_life)
        profile = unit_rows((history.matrix(self._content.shape[0], weights) @ self._content).tocsr())
        scores = np.asarray((profile @ self._content.T).todense(), np.float64)
        # Many items have the very same genres: of these the better known first.
        return scores + 1e-9 * self._rated

    @property
    def parameters(self) -> int:
        return int(self._content.nnz)
