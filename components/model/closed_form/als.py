"""Factors by alternating least squares (iALS), by the library `implicit`."""

from __future__ import annotations

from typing import Any

from scipy import sparse
from threadpoolctl import threadpool_limits


def one_blas_thread() -> threadpool_limits:
    """implicit threads by itself, and BLAS's own threads below its can make it ten times slower."""
    return threadpool_limits(1, "blas")


def fit(
    watched: sparse.csr_matrix, rank: int, regularisation: float, confidence: float, sweeps: int, seed: int
) -> Any:
    """A fitted `implicit.cpu.als.AlternatingLeastSquares`, whose `item_factors` are float32[N, rank].

    Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008. The
    factors of an item without an event are 0.

    Args:
      watched: float[U, N], 1 where user u has an event with item i.
      rank: R.
      regularisation: lambda, of the squared length of each factor vector.
      confidence: alpha as `implicit` has it: how much an event weighs, where a missing one weighs 1.
      sweeps: passes over users and items.
      seed: of the factors to start from.
    """
    from implicit.cpu.als import AlternatingLeastSquares

    with one_blas_thread():
        model = AlternatingLeastSquares(
            factors=rank,
            regularization=regularisation,
            alpha=confidence,
            iterations=sweeps,
            random_state=seed,
        )
        model.fit(watched, show_progress=False)
    return model
