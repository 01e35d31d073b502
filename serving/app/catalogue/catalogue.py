"""The items that one version of the model knows, as its assets.extra carries them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

import contract
from serving.app.results import Column, Item

# Columns that every catalogue has and that an `Item` has a field for.
_FIELDS = (
    contract.ITEM_ID, contract.TITLE, contract.YEAR, contract.RATING_COUNT, contract.RATING_MEAN,
)  # fmt: skip


class Catalogue:
    """N items, most popular first.

    Args:
      table: contract.CATALOGUE.
      columns: what the data has beside id, title and counts.
      popularity: [N] shares of the training events, in the table's order.
      rating: stars, which the table has, on the data's own scale; None for data without ratings.

    Attributes:
      ids: [N] item ids.
      titles: [N] titles.
    """

    def __init__(
        self,
        table: pa.Table,
        columns: Sequence[Column],
        popularity: np.ndarray,
        rating: Callable[[float], float] | None = None,
    ) -> None:
        self._table = table
        self.columns = tuple(columns)
        self.popularity = popularity
        self._rating = rating
        self.ids: list[str] = table.column(contract.ITEM_ID).to_pylist()
        self.titles: list[str] = table.column(contract.TITLE).to_pylist()
        self._rows = {id_: row for row, id_ in enumerate(self.ids)}
        self.years = _numbers(table.column(contract.YEAR))
        self.years[self.years == 0] = np.nan
        self._counts = table.column(contract.RATING_COUNT).to_pylist()
        self._means = table.column(contract.RATING_MEAN).to_pylist()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def taste_column(self) -> str | None:
        """Of whose values tastes are; None where the data has no such column."""
        return next((column.name for column in self.columns if column.taste), None)

    def row(self, item_id: str) -> int | None:
        """The item's row; None for one that this version does not know."""
        return self._rows.get(item_id)

    def title(self, item_id: str) -> str:
        """Its title; the id itself where it is not known or has none."""
        row = self._rows.get(item_id)
        return item_id if row is None else self.titles[row] or item_id

    def fields(self, row: int) -> dict[str, Any]:
        """The fields of an `Item`."""
        year = self.years[row]
        return {
            "id": self.ids[row],
            "title": self.titles[row] or self.ids[row],
            "year": None if math.isnan(year) else int(year),
            "columns": {column.name: self._cells[column.name][row] for column in self._own},
            "rating_count": self._counts[row],
            "rating_mean": self._mean(row),
        }

    def _mean(self, row: int) -> float | None:
        if self._rating is None or not self._counts[row] or not self._means[row]:
            return None
        return self._rating(self._means[row])

    def item(self, row: int) -> Item:
        return Item(**self.fields(row))

    def values_of(self, name: str, row: int) -> Sequence[str]:
        """The item's values in a column of values, in the data's order."""
        cell = self._cells[name][row]
        return cell if isinstance(cell, list) else () if cell is None else (cell,)

    @functools.cached_property
    def newest(self) -> np.ndarray:
        """[N] rows, newest first: by year; without years those that the training data has seen least."""
        age = -np.nan_to_num(self.years, nan=-1.0)
        if not np.isfinite(self.years).any():
            age = np.asarray(self._counts, float)
        return np.argsort(age, kind="stable")

    @functools.cached_property
    def _own(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.name not in _FIELDS)

    @functools.cached_property
    def _cells(self) -> Mapping[str, list[Any]]:
        cells = {}
        for column in self._own:
            values = self._table.column(column.name).to_pylist()
            if column.kind != "multi":
                values = [_single(value) for value in values]
            cells[column.name] = values
        return cells

    # --- what filters and facets read -----------------------------------------------
    @functools.cached_property
    def numbers(self) -> Mapping[str, np.ndarray]:
        """[N] by column of numbers, NaN where an item has none."""
        own = {
            column.name: _numbers(self._table.column(column.name))
            for column in self._own
            if column.kind == "number"
        }
        return {contract.YEAR: self.years, **own}

    @functools.cached_property
    def values(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """By column of values: value -> rows that have it, ascending; most frequent value first."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for column in self._own:
            if column.kind not in ("categorical", "multi") or not column.filters:
                continue
            rows: dict[str, list[int]] = {}
            for row in range(len(self)):
                for value in self.values_of(column.name, row):
                    rows.setdefault(value, []).append(row)
            ordered = sorted(rows.items(), key=lambda pair: (-len(pair[1]), pair[0]))
            found[column.name] = {value: np.asarray(at, np.int64) for value, at in ordered}
        return found


def _single(cell: Any) -> Any:
    """A cell of one value or none, which tables hold as a list or as the value."""
    if isinstance(cell, list):
        return cell[0] if cell else None
    return None if cell == "" else cell


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    cells = [_single(cell) for cell in column.to_pylist()]
    return np.asarray([math.nan if cell is None else float(cell) for cell in cells], np.float64)
