"""The items a model knows, in the order of their rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

import contract
from components.common.dense_columns import byte_strings, item_inputs
from components.common.features import MOVIELENS, FeatureSpec

# Above this a float32 vector counts as "not a unit vector".
_NORM_TOLERANCE = 1e-3


class CatalogueError(ValueError):
    """The items or their embeddings cannot make an index."""


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """N items, most rated first; equal counts by id.

    This order makes a row number mean something: row 0 is the most popular
    item, and a tie in score goes to the more popular one. It does not depend
    on how the items were spread over files.

    Attributes:
      table: contract.ITEM_FEATURES, N rows.
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
        """float64[N]: share of the train ratings, one added to every item's count."""
        counts = self.rating_counts + 1.0
        return counts / counts.sum()


def from_items(items: pa.Table) -> Catalogue:
    """Checks and orders the items.

    Raises:
      CatalogueError: a column is missing, an id is empty or comes twice, or
        there is no item.
    """
    missing = sorted(set(contract.ITEM_FEATURES) - set(items.column_names))
    if missing:
        raise CatalogueError(f"the items lack the columns {missing}; they have {items.column_names}")
    if items.num_rows == 0:
        raise CatalogueError("there is no item to index; check what ExampleGen wrote")
    table = items.sort_by([(contract.RATING_COUNT, "descending"), (contract.ITEM_ID, "ascending")])
    ids = byte_strings(table.column(contract.ITEM_ID))
    _check_ids(ids)
    return Catalogue(
        table=table,
        ids=ids,
        years=np.asarray(table.column(contract.YEAR), dtype=np.int32),
        rating_counts=np.asarray(table.column(contract.RATING_COUNT), dtype=np.int64),
    )


def embed(
    catalogue: Catalogue,
    embed_item: Callable[..., Any],
    block: int,
    progress: Callable[[int], None] = lambda _: None,
    specs: Sequence[FeatureSpec] = MOVIELENS,
) -> np.ndarray:
    """Embeds every item.

    Args:
      catalogue: N items.
      embed_item: the towers' function (contract.EMBED_ITEM).
      block: items per call.
      progress: called with the number of items done so far.
      specs: the items' features.

    Returns:
      float32[N, D], unit vectors.

    Raises:
      CatalogueError: a vector is not finite or not of length one.
    """
    blocks = []
    for start in range(0, len(catalogue), block):
        inputs = item_inputs(catalogue.table.slice(start, block), specs)
        blocks.append(np.asarray(embed_item(**inputs), dtype=np.float32))
        progress(sum(map(len, blocks)))
    embeddings = np.concatenate(blocks)
    check_embeddings(catalogue.ids, embeddings)
    return embeddings


def check_embeddings(ids: np.ndarray, embeddings: np.ndarray) -> None:
    """Raises CatalogueError unless `embeddings` holds one finite unit vector per id."""
    if embeddings.ndim != 2 or len(embeddings) != len(ids):
        raise CatalogueError(
            f"expected one embedding per item, [{len(ids)}, D]; the towers gave {list(embeddings.shape)}"
        )
    broken = ~np.isfinite(embeddings).all(axis=1)
    if broken.any():
        raise CatalogueError(
            f"{broken.sum()} of {len(ids)} items have an embedding that is not finite, "
            f"first {_shown(ids[broken])}; training has diverged, lower the learning rate"
        )
    lengths = np.linalg.norm(embeddings, axis=1)
    off = np.abs(lengths - 1.0) > _NORM_TOLERANCE
    if off.any():
        raise CatalogueError(
            f"{off.sum()} of {len(ids)} items have an embedding that is not a unit vector, "
            f"first {_shown(ids[off])} with length {lengths[off][0]:.4g}; a score would not be a cosine"
        )


def _check_ids(ids: np.ndarray) -> None:
    if contract.PAD_ID in ids:
        raise CatalogueError("an item has the empty string as its id, which pads requests and results")
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise CatalogueError(
            f"{(counts > 1).sum()} item ids come more than once, first {_shown(values[counts > 1])}; "
            "give every item one row"
        )


def _shown(ids: np.ndarray) -> str:
    return ", ".join(repr(value.decode("utf-8", "replace")) for value in ids[:5])
