"""The table of profiles: what timelines say of users, with vocabularies and scales fitted on it.

Profiles do not change with time, so no split is looked past: a user has the same in all.
"""

from __future__ import annotations

import collections
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

import contract
from components.common.features import FeatureSpec
from components.model.profile import Profiles

_WORD = re.compile(r"[^\W_]+")


def profiles(timelines: pa.Table, specs: Sequence[FeatureSpec], max_values: int) -> Profiles | None:
    """Those of the timelines' users; None without a feature.

    Args:
      timelines: schemas.timelines_schema of `specs`, a record a user.
      max_values: words of a vocabulary, at most: the most frequent.
    """
    if not specs:
        return None
    content: dict[str, np.ndarray] = {}
    words: dict[str, list[bytes]] = {}
    for spec in specs:
        cells = timelines[contract.user_feature(spec.name)].to_pylist()
        if spec.kind == "number":
            content |= _numbers(spec, cells)
        else:
            texts = spec.kind == "text"
            lists = [list(dict.fromkeys(_WORD.findall(cell.lower()) if texts else cell)) for cell in cells]
            words[spec.name], arrays = _words(spec, lists, max_values)
            content |= arrays
    ids = [user.encode() for user in timelines[contract.USER_ID].to_pylist()]
    return Profiles(tuple(specs), words, ids, content)


def rows_of(table: Profiles | None, timelines: pa.Table) -> np.ndarray:
    """int32[U]: each record's row in the table, 0 for a user who is not in it."""
    users = timelines[contract.USER_ID].to_pylist()
    rows = {} if table is None else {user: row for row, user in enumerate(table.user_ids, start=1)}
    return np.array([rows.get(user.encode(), 0) for user in users], np.int32)


def _numbers(spec: FeatureSpec, cells: Sequence[list[float]]) -> dict[str, np.ndarray]:
    """`scaled` and `known`, a row of nothing first."""
    known = np.array([0.0, *(float(bool(cell)) for cell in cells)], np.float32)
    values = np.array([0.0, *(cell[0] if cell else 0.0 for cell in cells)])
    if spec.log:
        values = np.sign(values) * np.log1p(np.abs(values))
    some = values[known > 0]
    deviation = some.std() if some.size else 0.0
    scaled = (values - some.mean()) / deviation * known if deviation > 0 else np.zeros_like(values)
    return {contract.scaled(spec.name): scaled.astype(np.float32), contract.known(spec.name): known}


def _words(
    spec: FeatureSpec, lists: Sequence[list[str]], max_values: int
) -> tuple[list[bytes], dict[str, np.ndarray]]:
    """The vocabulary; `indices` and, of weighted features, `weights`, a row of nothing first."""
    counts = collections.Counter(word for words in lists for word in words)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:max_values]
    index = {word: i for i, (word, _) in enumerate(ranked)}
    if spec.weighted:
        rows = [[index[word] for word in words if word in index] for words in lists]
    else:
        rows = [[index.get(word, len(index)) for word in words] for words in lists]
    indices = _padded([[], *rows], -1, np.int32)
    arrays: dict[str, Any] = {contract.indices(spec.name): indices}
    if spec.weighted:
        # Smoothed TF-IDF, as Transform gives it to words of items.
        idf = [1 + math.log((len(lists) + 1) / (count + 1)) for _, count in ranked]
        weights = [[idf[i] / len(row) for i in row] for row in rows]
        arrays[contract.weights(spec.name)] = _padded([[], *weights], 0, np.float32)
    return [word.encode() for word in index], arrays


def _padded(rows: Sequence[Sequence[float]], pad: int, dtype: type) -> np.ndarray:
    width = max(1, *map(len, rows))
    return np.array([[*row, *[pad] * (width - len(row))] for row in rows], dtype)
