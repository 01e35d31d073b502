"""A layout as one file: logs of a toy jukebox, lines of `user: item item ...`, oldest first."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.layouts.layout import Layout, has
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import ITEM, USER, Dataset, Delimited, Source


def _detect(path: Place, params: ExampleGenParams) -> bool:
    return has(path, "jukebox.txt")


def _describe(path: Place, params: ExampleGenParams) -> Dataset:
    file = path / "jukebox.txt" if path.is_dir() else path
    format_ = Delimited(":", (USER, "songs"), quoted=False)
    source = Source(
        "ratings", (file,), format_, {USER: USER, ITEM: "songs"}, {USER: "id", ITEM: "text"}, rows=_a_row_each
    )
    return Dataset(LAYOUT.name, source)


def _a_row_each(table: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """A row per song instead of a row per line."""
    songs = pc.split_pattern(pc.utf8_trim_whitespace(table[ITEM].combine_chunks()), " ")
    lines = pc.list_parent_indices(songs)
    items = pc.list_flatten(songs).dictionary_encode()
    return pa.table({USER: table[USER].take(lines), ITEM: items}), lines.to_numpy()


LAYOUT: Final = Layout("jukebox", "a file jukebox.txt", _detect, _describe)
