"""Whether the first row of a text file is a header."""

from __future__ import annotations

import dataclasses
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import tables
from components.example_gen.reading.detection.delimiters import are_numbers_of_columns
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import ITEM, USER, Delimited, Source
from datasets.own_log import words
from datasets.own_log.texts import as_text

NUMBER: Final = r"^[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?$"
ENOUGH: Final = 0.95  # of the cells


def has_header(path: Place, format_: Delimited, params: ExampleGenParams) -> bool:
    """Whether the first row is none of data: no cell of it is as all those below it are."""
    first = tables.header(format_, path, params.max_line_bytes)
    if are_numbers_of_columns(first):
        return True
    numbers = [str(number) for number in range(len(first))]
    source = Source(
        "columns", (path,), dataclasses.replace(format_, names=tuple(numbers)), {n: n for n in numbers},
        dict.fromkeys(numbers, "text"),
    )  # fmt: skip
    rows = tables.sample(source, path, params.max_line_bytes)
    if len(rows) < 2:
        return True
    like = unlike = 0
    for name, cell in zip(numbers, first, strict=True):
        below = pc.utf8_trim_whitespace(as_text(rows[name])[1:])
        numeric = pc.match_substring_regex(below, NUMBER)
        if (pc.sum(numeric).as_py() or 0) >= ENOUGH * len(below):
            fits = pc.match_substring_regex(pa.array([cell.strip()]), NUMBER)[0].as_py()
            like, unlike = like + fits, unlike + (not fits)
        elif pc.is_in(pa.array([cell.strip()]), below)[0].as_py():
            like += 1
        elif max(words.score(cell, USER), words.score(cell, ITEM)) > 1:
            unlike += 1  # a name of a user or an item, above ids, and perhaps beside numbers that are names
    return unlike > 0 or not like
