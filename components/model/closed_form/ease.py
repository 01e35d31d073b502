"""EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019): whole, and of low rank."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg
from scipy import sparse

from components.model.closed_form import svd


class ItemWeights:
    """B = I - P diag(1 / diag P) with P = (X'X + l2 I)^-1: a history x scores x B.

    Where there are fewer users than items, P is never built: by Woodbury's identity
    P = (I - X' K^-1 X) / l2 with K = l2 I + XX', users by users.

    Args:
      watched: float[U, N], 1 where user u has an event with item i.
      l2: lambda, in events.
    """

    def __init__(self, watched: sparse.csr_matrix, l2: float) -> None:
        watched = watched[np.diff(watched.indptr) > 0]
        self._l2 = l2
        self._watched = watched if watched.shape[0] < watched.shape[1] else None
        if self._watched is not None:
            kernel = (watched @ watched.T).toarray().astype(np.float64)
            kernel[np.diag_indices_from(kernel)] += l2
            self._inverse = scipy.linalg.inv(kernel, overwrite_a=True)
            # diag(X' K^-1 X): X is sparse, so column by column over its entries.
            product = self._inverse @ watched
            self._diagonal = (1.0 - np.asarray(watched.multiply(product).sum(axis=0)).ravel()) / l2
        else:
            gram = (watched.T @ watched).toarray().astype(np.float64)
            gram[np.diag_indices_from(gram)] += l2
            self._inverse = scipy.linalg.inv(gram, overwrite_a=True)
            self._diagonal = np.diag(self._inverse).copy()

    @property
    def by_users(self) -> bool:
        """Whether it was solved users by users."""
        return self._watched is not None

    def scores(self, histories: sparse.csr_matrix) -> np.ndarray:
        """float64[B, N] of float[B, N], the events' weights."""
        dense = np.asarray(histories.todense())
        if self._watched is None:
            times_p = histories @ self._inverse
        else:
            projected = np.asarray((histories @ self._watched.T).todense()) @ self._inverse
            times_p = (dense - projected @ self._watched) / self._l2
        return dense - times_p / self._diagonal


class Factors(NamedTuple):
    """Item j's score after watching items i with weights w_i is sum_i w_i history[i] . candidate[j].

    Attributes:
      history, candidate: float32[N, R].
      spread: standard deviation over the N items of the scores of a typical unit
        query; what one unit of the item-item part is worth.
    """

    history: np.ndarray
    candidate: np.ndarray
    spread: float


def fit_factors(watched: sparse.csr_matrix, rank: int, l2: float) -> Factors:
    """`ItemWeights` cut to rank `rank`.

    With the singular value decomposition X = U S V' and d = s^2 / (s^2 + l2), its weights
    off the diagonal are

        B_ij = g_ij / (1 - g_jj),   g = V diag(d) V'

    so the largest singular values give it as a product of two thin matrices, and
    no matrix of items by items is ever made. The diagonal, which EASE sets to 0,
    only scores what has been watched, and that is left out of recommendations.
    What the cut leaves out of g_jj is bounded below from the energy of column j
    that the cut leaves out of X, as if all its singular values were the last kept.

    Args:
      watched: float32[U, N], 1 where user u has an event with item i.
      rank: R; where the matrix has fewer singular values, the rest of the columns are 0.
      l2: lambda, in events.
    """
    items = watched.shape[1]
    history = np.zeros((items, rank), np.float32)
    _, s, v = svd.truncated(watched, rank)
    if not len(s):
        return Factors(history, history, 1.0)
    shrunk = s**2 / (s**2 + l2)
    energy = np.asarray(watched.multiply(watched).sum(axis=0)).ravel()
    left = np.maximum(energy - (v**2).T @ s**2, 0.0)
    diagonal = (v**2).T @ shrunk + left / (s[-1] ** 2 + l2)
    history[:, : len(s)] = v.T * np.sqrt(shrunk)
    candidate = (history / (1.0 - diagonal)[:, np.newaxis]).astype(np.float32)
    queries = watched @ history
    queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    centred = candidate - candidate.mean(axis=0)
    variance = np.einsum("ur,rs,us->u", queries, centred.T @ centred / items, queries)
    return Factors(history, candidate, float(max(np.sqrt(np.median(variance)), 1e-6)))
