"""Movies as rows: of a table on the terminal, of a JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.ask.titles import Movie

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


def as_json(movie: Movie) -> dict[str, Any]:
    return {
        "movie_id": movie.movie_id,
        "title": movie.title,
        "year": movie.year or None,
        "genres": list(movie.genres),
        **({"features": {name: list(values) for name, values in movie.own}} if movie.own else {}),
    }


def known_of(movies: Sequence[Movie]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Names and cells of the columns that tell movies apart: their own, or year and genres."""
    if any(movie.own for movie in movies):
        names = tuple(name for name, _ in next(movie.own for movie in movies if movie.own))
        return names, [tuple(_cell(dict(movie.own).get(name, ())) for name in names) for movie in movies]
    return ("year", "genres"), [(year(movie), genres(movie)) for movie in movies]


def _cell(values: Sequence[str | float]) -> str:
    return ", ".join(f"{value:g}" if isinstance(value, float) else value for value in values) or "-"


def year(movie: Movie) -> str:
    return str(movie.year) if movie.year else "-"


def genres(movie: Movie) -> str:
    return ", ".join(movie.genres) or "-"
