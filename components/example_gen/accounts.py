"""Where every row went: rows in = used + set aside + left out by the config."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.quarantine import NOT_JOINED, UNKNOWN_ITEM, Quarantine, percent
from components.example_gen.reading.source import ITEM, Dataset
from components.example_gen.sorting.gather import NOT_IN_ITEMS, RATINGS, Gathered
from components.example_gen.sorting.log_store import Index
from components.example_gen.sorting.totals import Totals

NO_HISTORY = "in no record: without a history to ask with"


_NOTES: Final = "notes"


@dataclasses.dataclass(frozen=True)
class TableRows:
    """The rows of one table.

    Attributes:
      rows_in: rows in its files.
      used: rows that are in a record; of tags and items, that are good.
      bad: rows set aside, by kind.
      left_out: rows that the config leaves out, by why.
    """

    rows_in: int
    used: int
    bad: dict[str, int]
    left_out: dict[str, int]

    def __str__(self) -> str:
        parts = [f"{self.used:,} used", f"{sum(self.bad.values()):,} set aside"]
        if self.left_out:
            parts.append(f"{sum(self.left_out.values()):,} left out ({', '.join(self.left_out)})")
        return f"{self.rows_in:,} rows = {' + '.join(parts)}"


@dataclasses.dataclass(frozen=True)
class Account:
    """All tables' rows, by table, and what is worth a look."""

    tables: dict[str, TableRows]
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """One per table, and one per note."""
        return [*(f"{name}: {rows}" for name, rows in self.tables.items()), *self.notes]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Account:
        tables = {name: TableRows(**rows) for name, rows in values.items() if name != _NOTES}
        return cls(tables, tuple(values.get(_NOTES, ())))

    def as_dict(self) -> dict[str, Any]:
        return {name: dataclasses.asdict(rows) for name, rows in self.tables.items()} | {
            _NOTES: list(self.notes)
        }


def account(data: Gathered[Index], known: Totals, bad: Quarantine, params: ExampleGenParams) -> Account:
    """Adds up.

    Raises:
      AssertionError: a row is unaccounted for, which is a bug.
    """
    used = {RATINGS: known.events_used()}
    # Workers find them in another order.
    left_out = {RATINGS: dict(sorted(data.left_out.items()))}
    if unused := int(data.log.offsets[-1]) - used[RATINGS]:
        left_out[RATINGS][NO_HISTORY] = unused
    result = {}
    # Ratings first: they are what people look for.
    for name in sorted(bad.tables(), key=lambda name: name != RATINGS):
        kinds = {kind: count for (table, kind), count in sorted(bad.kinds.items()) if table == name}
        rows_in, out = bad.rows_in[name], left_out.get(name) or dict(bad.left_out.get(name, {}))
        good = used.get(name, rows_in - sum(kinds.values()) - sum(out.values()))
        if rows_in != good + sum(kinds.values()) + sum(out.values()):
            raise AssertionError(f"{name}: {rows_in} rows in, {good} used, {kinds} set aside, {out} left out")
        result[name] = TableRows(rows_in, good, kinds, out)
    joined = [*_joined(data.dataset, bad, data.left_out), *_without_row(data, bad)]
    order = None if data.dataset.timed or params.split == "random" else known.order_is_no_time()
    return Account(result, (*joined, *([order] if order else []), *bad.unread_cells()))


def _without_row(data: Gathered[Index], bad: Quarantine) -> list[str]:
    """How many items are kept without a row in the table of items, in words."""
    table = data.dataset.items
    if table is None or table.of_log:
        return []
    rows = bad.rows_in[table.table] - bad.bad(table.table) - sum(bad.left_out[table.table].values())
    without, all_ = len(data.items) - rows, len(data.items)
    if without <= 0:
        return []
    share = percent(rows / all_)
    return [
        f"{rows:,} of {all_:,} items ({share}) have a row in {table}; the title of the others is their id"
    ]


def _joined(dataset: Dataset, bad: Quarantine, left_out: Mapping[str, int]) -> list[str]:
    """How many rows of the log have one in the tables of items and of `join`, in words."""
    rows, found = bad.rows_in[RATINGS], []
    if (join := dataset.ratings.join) is not None:
        found.append((join.on, join.table, bad.kinds[RATINGS, NOT_JOINED]))
    unknown = bad.kinds[RATINGS, UNKNOWN_ITEM] + left_out.get(NOT_IN_ITEMS, 0)
    if dataset.items is not None and unknown:
        found.append((dataset.ratings.columns[ITEM], dataset.items, unknown))
    return [
        f"{good:,} of {rows:,} rows ({percent(good / rows)}) have their {name} in {table}"
        for name, table, good in ((name, table, rows - missing) for name, table, missing in found)
    ]
