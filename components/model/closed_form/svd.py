"""The largest singular values of a sparse matrix, the same ones each time."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import linalg


def truncated(matrix: sparse.csr_matrix, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U float64[n, K], s float64[K], V' float64[K, m]: U diag(s) V' is the nearest matrix of rank K.

    K = min(rank, min(n, m) - 1), or 0 for a matrix of nothing but zeros.
    """
    rows, columns = matrix.shape
    kept = min(rank, min(rows, columns) - 1)
    if kept < 1 or matrix.nnz == 0:
        return np.zeros((rows, 0)), np.zeros(0), np.zeros((0, columns))
    # A given start makes ARPACK repeat itself.
    start = np.random.default_rng(0).uniform(0.5, 1.0, min(rows, columns))
    u, s, v = linalg.svds(matrix.astype(np.float64), k=kept, v0=start)
    order = np.argsort(-s)
    u, s, v = u[:, order], s[order], v[order]
    # A singular vector's sign is free: its largest entry is made positive.
    signs = np.sign(v[np.arange(kept), np.argmax(np.abs(v), axis=1)])
    return u * signs, s, v * signs[:, np.newaxis]
