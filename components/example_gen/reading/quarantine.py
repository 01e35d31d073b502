"""Rows that are set aside: each written down with its place and reason, and counted."""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from components.example_gen.errors import DataError

# Kinds of bad rows beside those of `text_blocks`.
WIDTH: Final = "wrong number of columns"
MISSING: Final = "missing field"
NOT_A_NUMBER: Final = "not a number"
NAN: Final = "NaN"
OUT_OF_SCALE: Final = "rating out of scale"
BAD_TIME: Final = "impossible time"
UNKNOWN_ITEM: Final = "unknown item"
UNKNOWN_EVENT: Final = "unknown event"
DUPLICATE: Final = "exact duplicate"
REPEATED: Final = "rated before"
ENCODING: Final = "bad encoding"

_SHOWN = 10
_HOPELESS_ROWS = 1_000_000


def percent(share: float) -> str:
    """For instance "0.12 %" or "67 %"."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


@dataclasses.dataclass(frozen=True)
class BadRow:
    """One row set aside; `line` is the row's number in a Parquet file, from 1."""

    table: str
    file: str
    line: int
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


# Takes (line, kind, reason) of a row of the file that is being read.
SetAside = Callable[[int, str, str], None]


class Quarantine:
    """Takes bad rows, and counts all rows, table by table.

    Rows are written as JSON lines as they come; only the first of each table stay
    in memory unless all are kept.

    Args:
      path: the file to write; None for none.
      keep: whether all rows stay in memory.

    Attributes:
      rows_in: rows read, by table.
      kinds: bad rows by (table, kind).
      rows: all bad rows if they are kept, otherwise none.
    """

    def __init__(self, path: Path | None = None, keep: bool = False) -> None:
        self.rows_in: collections.Counter[str] = collections.Counter()
        self.kinds: collections.Counter[tuple[str, str]] = collections.Counter()
        self.rows: list[BadRow] = []
        self._keep = keep
        self._first: dict[str, list[BadRow]] = collections.defaultdict(list)
        self._file = path.open("w", encoding="utf-8") if path else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def count(self, table: str, rows: int) -> None:
        """Counts rows read, good and bad."""
        self.rows_in[table] += rows

    def add(self, row: BadRow) -> None:
        self.kinds[row.table, row.kind] += 1
        if len(self._first[row.table]) < _SHOWN:
            self._first[row.table].append(row)
        if self._keep:
            self.rows.append(row)
        if self._file:
            self._file.write(json.dumps(dataclasses.asdict(row), ensure_ascii=True) + "\n")

    def bad(self, table: str) -> int:
        """Rows of a table set aside so far."""
        return sum(count for (name, _), count in self.kinds.items() if name == table)

    def first(self, table: str) -> tuple[BadRow, ...]:
        return tuple(self._first[table])

    def tables(self) -> Iterator[str]:
        yield from self.rows_in

    def require_hope(self, table: str, max_share: float) -> None:
        """Stops early where most of many rows are bad: the rest would only take time and disk.

        Raises:
          DataError: as `require_share`, of the rows so far.
        """
        rows = self.rows_in[table]
        if rows >= _HOPELESS_ROWS and self.bad(table) > rows / 2:
            self.require_share(table, max_share)

    def require_share(self, table: str, max_share: float) -> None:
        """Stops where too much of a table is bad.

        Raises:
          DataError: at the first bad row, with the counts and the first rows.
        """
        bad, rows = self.bad(table), self.rows_in[table]
        if not bad or bad <= max_share * rows:
            return
        first = self._first[table]
        kinds = ", ".join(
            f"{count:,} {kind}" for (name, kind), count in self.kinds.most_common() if name == table
        )
        more = [f"  {row}" for row in first[1:]]
        if bad > len(first):
            more.append(
                f"  ... {bad - len(first):,} more; marquee data check --bad-rows FILE writes them all"
            )
        summary = (
            f"{bad:,} of {rows:,} rows of {table} are bad ({kinds}), {percent(bad / rows)}; "
            f"example_gen.max_bad_share allows {100 * max_share:g} %"
        )
        raise DataError(first[0].file, "\n".join([first[0].reason, summary, *more]), first[0].line)
