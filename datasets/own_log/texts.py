"""Cells as people read them."""

from __future__ import annotations

import pyarrow as pa

from components.example_gen.reading import cells


def as_text(column: pa.Array) -> pa.StringArray:
    """Cells as text; lists with | between their values."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return pa.array(
            [None if x is None else "|".join(map(str, x)) for x in column.to_pylist()], pa.string()
        )
    if pa.types.is_string(column.type):
        return cells.decoded(column)[0]
    return column.cast(pa.string())


def shown(text: str | None) -> str:
    """A value, shortened."""
    text = text or ""
    text = repr(text) if text != text.strip() or not text or "," in text else text
    return text if len(text) <= 24 else f"{text[:21]}..."
