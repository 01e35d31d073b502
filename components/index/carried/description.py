"""What a retrieval model says of itself, from what it was built of."""

from __future__ import annotations

import collections
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.common.features import Features, FeatureSpec
from components.index.carried.catalogue import Catalogue
from components.index.details import ZERO_IS_UNKNOWN
from components.index.params import IndexParams
from contract.description import MAX_VALUES, Column, Description, of_signatures

_NUMBERS = (contract.YEAR, contract.RATING_COUNT, contract.RATING_MEAN)
# Limits of the section `index` that are not on requests.
_NOT_OF_REQUESTS = ("max_known_users",)


def describe(
    model: str,
    kind: str,
    catalogue: Catalogue,
    columns: Sequence[str],
    known_users: int,
    params: IndexParams,
    features: Features,
) -> Description:
    """Puts it together.

    Args:
      model: name.
      kind: of the model that was fitted.
      catalogue: its items.
      columns: that `details` answers.
      known_users: users whose histories it keeps.
      params: limits.
      features: what the columns mean.
    """
    signatures = contract.signatures(features.implicit)
    specs = {spec.name: spec for spec in features.item}
    limits = {
        name: value
        for name, value in params.model_dump().items()
        if name.startswith("max_") and name not in _NOT_OF_REQUESTS
    }
    defaults = {
        name: {
            item.name: {contract.K: params.default_k, contract.COLUMNS: list(columns)}[item.name]
            for item in signature.inputs
            if item.name in (contract.K, contract.COLUMNS)
        }
        for name, signature in signatures.items()
    }
    return Description(
        model=model,
        kind=kind,
        item_noun=features.item_noun,
        items=len(catalogue),
        known_users=known_users,
        feedback=features.feedback,
        rating_scale=None if features.implicit else (contract.MIN_RATING, contract.MAX_RATING),
        data_rating_scale=None if features.implicit else features.rating_scale,
        event_weights=features.event_weights,
        columns=tuple(_column(name, specs.get(name), catalogue.table.column(name)) for name in columns),
        user_columns=tuple(Column(spec.name, spec.kind) for spec in features.user),
        limits=limits,
        signatures=of_signatures(signatures, defaults),
    )


def _column(name: str, spec: FeatureSpec | None, cells: pa.ChunkedArray) -> Column:
    filters, taste = spec is not None and spec.filters, spec is not None and spec.taste
    kind = spec.kind if spec else "number" if name in _NUMBERS else "text"
    if kind == "number":
        values = pc.list_flatten(cells) if pa.types.is_large_list(cells.type) else cells
        found = np.asarray(values, np.float64)
        if name in ZERO_IS_UNKNOWN:
            found = found[found != 0]
        low, high = (float(found.min()), float(found.max())) if len(found) else (None, None)
        return Column(name, "year" if name == contract.YEAR else kind, filters, taste, None, low, high)
    if kind == "text":
        return Column(name, kind, filters, taste)
    counts = collections.Counter(pc.list_flatten(cells).to_pylist())
    most = tuple(word for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    return Column(name, kind, filters, taste, most if len(most) <= MAX_VALUES else None)
