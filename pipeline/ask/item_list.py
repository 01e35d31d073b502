"""Items as rows: of a table on the terminal, of a JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.ask.titles import Item

_NO_WRAP = 10_000  # characters: wider than any row


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], to_right: Sequence[str]) -> None:
    """Prints columns, wrapped to the terminal's width; in a pipe a row stays one line.

    Args:
      header: names of the columns.
      rows: one text per column.
      to_right: columns of numbers.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in header:
        table.add_column(name, justify="right" if name in to_right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = _NO_WRAP
    console.print(table)


def as_json(item: Item) -> dict[str, Any]:
    return {
        "item_id": item.item_id,
        "title": item.title,
        **({} if item.year is None else {"year": item.year or None}),
        **({} if item.genres is None else {"genres": list(item.genres)}),
        **({"features": {name: list(values) for name, values in item.own}} if item.own else {}),
    }


def known_of(items: Sequence[Item]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Names and cells of the columns that tell items apart: their own, or the year and genres they have."""
    if any(item.own for item in items):
        names = tuple(name for name, _ in next(item.own for item in items if item.own))
        return names, [tuple(_cell(dict(item.own).get(name, ())) for name in names) for item in items]
    shown = {
        "year": [str(item.year or "-") for item in items if item.year is not None],
        "genres": [", ".join(item.genres) or "-" for item in items if item.genres is not None],
    }
    kept = {name: cells for name, cells in shown.items() if len(cells) == len(items)}
    return tuple(kept), [tuple(cells[row] for cells in kept.values()) for row in range(len(items))]


def _cell(values: Sequence[str | float]) -> str:
    return ", ".join(f"{value:g}" if isinstance(value, float) else value for value in values) or "-"
