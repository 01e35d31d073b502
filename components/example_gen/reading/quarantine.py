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
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.text_blocks import LONG_LINE, OPEN_QUOTE

# Kinds of bad rows beside those of `text_blocks`.
WIDTH: Final = "wrong number of columns"
MISSING: Final = "missing field"
MISSING_ID: Final = "missing user or item"
NOT_A_NUMBER: Final = "not a number"
NOT_A_TIME: Final = "not a time"
NAN: Final = "NaN"
OUT_OF_SCALE: Final = "rating out of scale"
BAD_TIME: Final = "impossible time"
UNKNOWN_ITEM: Final = "unknown item"
UNKNOWN_EVENT: Final = "unknown event"
NO_WEIGHT: Final = "weight not above 0"
ID_AGAIN: Final = "id given before"
DUPLICATE: Final = "exact duplicate"
REPEATED: Final = "rated before"
ENCODING: Final = "bad encoding"
NO_JSON: Final = "no JSON object"

NOT_JOINED: Final = "without a row in the joined table"
KINDS: Final = (
    WIDTH, MISSING, MISSING_ID, NOT_A_NUMBER, NOT_A_TIME, NAN, OUT_OF_SCALE, BAD_TIME, UNKNOWN_ITEM,
    UNKNOWN_EVENT, NO_WEIGHT, ID_AGAIN, DUPLICATE, REPEATED, ENCODING, NO_JSON, NOT_JOINED, LONG_LINE,
    OPEN_QUOTE,
)  # fmt: skip

# Kinds that have a limit of their own, where the config gives one.
_OWN_LIMITS: Final = {MISSING_ID: "max_missing_share", UNKNOWN_ITEM: "max_unknown_share"}
_LIMIT: Final = "max_bad_share"
# What helps against many rows of a kind.
_HELP: Final = {
    WIDTH: "another example_gen.delimiter, or example_gen.quoted",
    MISSING: "example_gen.keep: ['COLUMN is not missing'], which leaves such rows out",
    MISSING_ID: "a higher example_gen.max_missing_share, if such rows are to be set aside",
    NOT_A_NUMBER: "example_gen.missing for words that mean nothing, example_gen.decimal for decimal commas",
    NOT_A_TIME: "example_gen.time_unit, where all times have another format; where a column has several, "
    "write them all in one, or set the others aside by example_gen.max_share_of: {not a time: SHARE}",
    OUT_OF_SCALE: "example_gen.rating_scale, the lowest and the highest rating",
    BAD_TIME: "example_gen.time_unit",
    UNKNOWN_ITEM: "example_gen.unknown_items: drop or keep, if the table of items is not meant to be whole",
    UNKNOWN_EVENT: "a weight for it in example_gen.event_weights",
    NO_WEIGHT: "example_gen.keep: ['COLUMN > 0'], which leaves such rows (refunds, say) out",
    DUPLICATE: "example_gen.repeated: first, last or strongest",
    REPEATED: "example_gen.repeated: first, last or strongest",
    ENCODING: "example_gen.encoding: latin-1",
    NO_JSON: "a file with one object per line; example_gen.max_bad_share, if such lines are to be set aside",
}
_SHOWN = 10
_HOPELESS_ROWS = 1_000_000


def _own_limits(params: ExampleGenParams) -> dict[str, tuple[str, float]]:
    """The kinds that have a limit of their own: its key and the share.

    Raises:
      DataError: the config names a kind that there is not.
    """
    given = {kind: (key, getattr(params, key)) for kind, key in _OWN_LIMITS.items()}
    own = {kind: limit for kind, limit in given.items() if limit[1] is not None}
    for kind, share in params.max_share_of.items():
        if kind not in KINDS:
            raise DataError(
                "example_gen.max_share_of", f"names {kind!r}, expected some of {', '.join(KINDS)}"
            )
        own[kind] = (f"max_share_of {kind!r}", share)
    return own


def percent(share: float, beside: float | None = None) -> str:
    """For instance "0.12 %" or "67 %"; "100 %" is all, and no share reads as another one `beside` it."""
    text = f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"
    others = {1.0, share if beside is None else beside} - {share}
    for digits in range(2, 17):
        if all(float(text.removesuffix(" %")) != round(100 * other, 9) for other in others):
            break
        text = f"{100 * share:.{digits}g} %"
    return text


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
      left_out: rows that are neither used nor bad, by table and why.
      unread: cells that are taken for missing because they are none of their kind, by (table,
        column).
    """

    def __init__(self, path: Path | None = None, keep: bool = False) -> None:
        self.rows_in: collections.Counter[str] = collections.Counter()
        self.kinds: collections.Counter[tuple[str, str]] = collections.Counter()
        self.rows: list[BadRow] = []
        self._keep = keep
        self._first: dict[tuple[str, str], list[tuple[int, BadRow]]] = collections.defaultdict(list)
        self.unread: collections.Counter[tuple[str, str]] = collections.Counter()
        self.left_out: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self._example: dict[tuple[str, str], str] = {}
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
        first = self._first[row.table, row.kind]
        if len(first) < _SHOWN:
            first.append((self.kinds.total(), row))
        if self._keep:
            self.rows.append(row)
        if self._file:
            self._file.write(json.dumps(dataclasses.asdict(row), ensure_ascii=True) + "\n")

    def bad(self, table: str) -> int:
        """Rows of a table set aside so far."""
        return sum(count for (name, _), count in self.kinds.items() if name == table)

    def first(self, table: str) -> tuple[BadRow, ...]:
        """The first bad rows of a table."""
        found = [first for (name, _), rows in self._first.items() if name == table for first in rows]
        return tuple(row for _, row in sorted(found, key=lambda first: first[0]))[:_SHOWN]

    def leave_out(self, table: str, why: str, rows: int = 1) -> None:
        """Counts rows that are neither used nor bad."""
        self.left_out[table][why] += rows

    def count_unread(self, table: str, column: str, cells: int, example: str) -> None:
        """Counts cells that are taken for missing; `example` is one of them, in words."""
        self.unread[table, column] += cells
        self._example.setdefault((table, column), example)

    def unread_cells(self) -> Iterator[str]:
        """In words, a column each."""
        for (table, column), count in self.unread.items():
            cells = f"{count:,} cells of {column} ({table}) are" if count > 1 else f"a cell of {column} is"
            yield f"{cells} taken for missing: {self._example[table, column]}"

    def help(self, table: str) -> str | None:
        """What helps against the most frequent kind of bad row, if anything does."""
        kinds = ((kind, count) for (name, kind), count in self.kinds.items() if name == table)
        most = max(kinds, key=lambda found: found[1], default=("", 0))[0]
        return f"what may help: {_HELP[most]}" if most in _HELP else None

    def tables(self) -> Iterator[str]:
        yield from self.rows_in

    def require_hope(self, table: str, params: ExampleGenParams) -> None:
        """Stops early where most of many rows are bad: the rest would only take time and disk.

        Raises:
          DataError: as `require_share`, of the rows so far.
        """
        rows = self.rows_in[table]
        if rows >= _HOPELESS_ROWS and self.bad(table) > rows / 2:
            self.require_share(table, params)

    def require_share(self, table: str, params: ExampleGenParams) -> None:
        """Stops where too much of a table is bad, by any of the limits of `params`.

        Raises:
          DataError: at the first bad row, with the counts and the first rows.
        """
        own, rest = _own_limits(params), (_LIMIT, params.max_bad_share)
        for key, share in dict.fromkeys([rest, *own.values()]):
            kinds = collections.Counter(
                {
                    kind: count
                    for (name, kind), count in self.kinds.items()
                    if name == table and own.get(kind, rest)[0] == key
                }
            )
            if kinds.total() > share * self.rows_in[table]:
                raise self._too_many(table, kinds, key, share)

    def _too_many(self, table: str, kinds: collections.Counter[str], key: str, max_share: float) -> DataError:
        bad, rows = kinds.total(), self.rows_in[table]
        found = [first for kind in kinds for first in self._first[table, kind]]
        first = [row for _, row in sorted(found, key=lambda first: first[0])][:_SHOWN]
        words = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        more = [f"  {row}" for row in first[1:]]
        if bad > len(first):
            more.append(
                f"  ... {bad - len(first):,} more; marquee data check --bad-rows FILE writes them all"
            )
        summary = (
            f"{bad:,} of {rows:,} rows of {table} are bad ({words}), {percent(bad / rows, max_share)}; "
            f"example_gen.{key} allows {100 * max_share:g} %"
        )
        helps = self.help(table)
        return DataError(
            first[0].file,
            "\n".join([first[0].reason, summary, *more, *([helps] if helps else [])]),
            first[0].line,
        )
