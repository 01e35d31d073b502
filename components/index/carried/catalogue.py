"""The movies a model knows, in the order of their rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

import contract
from components.common.dense_columns import byte_strings, movie_inputs
from components.common.features import MOVIELENS, FeatureSpec

# Above this a float32 vector counts as "not a unit vector".
_NORM_TOLERANCE = 1e-3


class CatalogueError(ValueError):
    """The movies or their embeddings cannot make an index."""


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """N movies, most rated first; equal counts by id.

    This order makes a row number mean something: row 0 is the most popular
    movie, and a tie in score goes to the more popular one. It does not depend
    on how the movies were spread over files.

    Attributes:
      table: contract.MOVIE_FEATURES, N rows.
      ids: object[N] of bytes, unique, none empty.
      years: int32[N], 0 if unknown.
      rating_counts: int64[N], train ratings.
    """

    table: pa.Table
    ids: np.ndarray
    years: np.ndarray
    rating_counts: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shares(self) -> np.ndarray:
        """float64[N]: share of the train ratings, one added to every movie's count."""
        counts = self.rating_counts + 1.0
        return counts / counts.sum()


def from_movies(movies: pa.Table) -> Catalogue:
    """Checks and orders the movies.

    Raises:
      CatalogueError: a column is missing, an id is empty or comes twice, or
        there is no movie.
    """
    missing = sorted(set(contract.MOVIE_FEATURES) - set(movies.column_names))
    if missing:
        raise CatalogueError(f"the movies lack the columns {missing}; they have {movies.column_names}")
    if movies.num_rows == 0:
        raise CatalogueError("there is no movie to index; check what ExampleGen wrote")
    table = movies.sort_by([(contract.RATING_COUNT, "descending"), (contract.MOVIE_ID, "ascending")])
    ids = byte_strings(table.column(contract.MOVIE_ID))
    _check_ids(ids)
    return Catalogue(
        table=table,
        ids=ids,
        years=np.asarray(table.column(contract.YEAR), dtype=np.int32),
        rating_counts=np.asarray(table.column(contract.RATING_COUNT), dtype=np.int64),
    )


def embed(
    catalogue: Catalogue,
    embed_movie: Callable[..., Any],
    block: int,
    progress: Callable[[int], None] = lambda _: None,
    specs: Sequence[FeatureSpec] = MOVIELENS,
) -> np.ndarray:
    """Embeds every movie.

    Args:
      catalogue: N movies.
      embed_movie: the towers' function (contract.EMBED_MOVIE).
      block: movies per call.
      progress: called with the number of movies done so far.
      specs: the movies' features.

    Returns:
      float32[N, D], unit vectors.

    Raises:
      CatalogueError: a vector is not finite or not of length one.
    """
    blocks = []
    for start in range(0, len(catalogue), block):
        inputs = movie_inputs(catalogue.table.slice(start, block), specs)
        blocks.append(np.asarray(embed_movie(**inputs), dtype=np.float32))
        progress(sum(map(len, blocks)))
    embeddings = np.concatenate(blocks)
    check_embeddings(catalogue.ids, embeddings)
    return embeddings


def check_embeddings(ids: np.ndarray, embeddings: np.ndarray) -> None:
    """Raises CatalogueError unless `embeddings` holds one finite unit vector per id."""
    if embeddings.ndim != 2 or len(embeddings) != len(ids):
        raise CatalogueError(
            f"expected one embedding per movie, [{len(ids)}, D]; the towers gave {list(embeddings.shape)}"
        )
    broken = ~np.isfinite(embeddings).all(axis=1)
    if broken.any():
        raise CatalogueError(
            f"{broken.sum()} of {len(ids)} movies have an embedding that is not finite, "
            f"first {_shown(ids[broken])}; training has diverged, lower the learning rate"
        )
    lengths = np.linalg.norm(embeddings, axis=1)
    off = np.abs(lengths - 1.0) > _NORM_TOLERANCE
    if off.any():
        raise CatalogueError(
            f"{off.sum()} of {len(ids)} movies have an embedding that is not a unit vector, "
            f"first {_shown(ids[off])} with length {lengths[off][0]:.4g}; a score would not be a cosine"
        )


def _check_ids(ids: np.ndarray) -> None:
    if contract.PAD_ID in ids:
        raise CatalogueError("a movie has the empty string as its id, which pads requests and results")
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise CatalogueError(
            f"{(counts > 1).sum()} movie ids come more than once, first {_shown(values[counts > 1])}; "
            "give every movie one row"
        )


def _shown(ids: np.ndarray) -> str:
    return ", ".join(repr(value.decode("utf-8", "replace")) for value in ids[:5])
