"""Item-based nearest neighbours: similarity by who watched what, and its factors of low rank."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from components.model.closed_form import svd

_ROWS_AT_ONCE = 1024


def similarity(watched: sparse.csr_matrix, shrink: float, neighbours: int) -> sparse.csr_matrix:
    """float[N, N], sparse: row j holds the shrunken cosines of item j with its neighbours, none with itself.

    s_ij = n_ij / (sqrt(n_i n_j) + shrink) on who watched what (Deshpande and Karypis, "Item-Based
    Top-N Recommendation Algorithms", TOIS 2004; shrinkage after Ferrari Dacrema et al. 2019).

    Args:
      watched: float[U, N], 1 where user u has an event with item i.
      shrink: in events.
      neighbours: kept of each row, the largest, of equal ones the first; 0 = all.
    """
    columns = watched.tocsc()
    counts = np.asarray(columns.sum(axis=0)).ravel()
    transposed = columns.T.tocsr()
    blocks = []
    for start in range(0, len(counts), _ROWS_AT_ONCE):
        both = (transposed[start : start + _ROWS_AT_ONCE] @ columns).tocsr()
        rows = start + np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))
        both.data /= np.sqrt(counts[rows] * counts[both.indices]) + shrink
        both.data[rows == both.indices] = 0.0
        both.eliminate_zeros()
        blocks.append(_largest(both, neighbours) if neighbours else both)
    return sparse.vstack(blocks).tocsr()


def _largest(matrix: sparse.csr_matrix, number: int) -> sparse.csr_matrix:
    """The `number` largest of each row; of equal ones the first columns."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    place = np.arange(len(order)) - matrix.indptr[rows]
    kept = order[place < number]
    return sparse.csr_matrix((matrix.data[kept], (rows[kept], matrix.indices[kept])), matrix.shape)


def fit_factors(
    watched: sparse.csr_matrix, rank: int, shrink: float, neighbours: int
) -> tuple[np.ndarray, np.ndarray]:
    """history and candidate, float32[N, rank]: history[i] . candidate[j] is nearly `similarity`'s s_ji.

    The nearest product of that rank, by the largest singular values. An item's similarity with
    itself scores only what has been watched, which is left out of recommendations: it is free, and
    what the formula gives for i = j, n_j / (n_j + shrink), lets a low rank say more of the rest.

    Args:
      watched, shrink, neighbours: as `similarity`.
      rank: where the matrix has fewer singular values, the rest of the columns are 0.
    """
    items = watched.shape[1]
    found = similarity(watched, shrink, neighbours)
    counts = np.asarray(watched.sum(axis=0)).ravel()
    own = sparse.diags(np.divide(counts, counts + shrink, out=np.zeros_like(counts), where=counts > 0))
    u, s, v = svd.truncated((found + own).tocsr(), rank)
    history, candidate = np.zeros((2, items, rank), np.float32)
    history[:, : len(s)] = v.T * np.sqrt(s)
    candidate[:, : len(s)] = u * np.sqrt(s)
    return history, candidate
