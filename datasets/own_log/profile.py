"""The columns of a data set as the model reads them: filled, distinct, a few values, what cannot be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import cells, tables
from components.example_gen.reading.detection import encodings
from components.example_gen.reading.quarantine import percent
from components.example_gen.reading.source import GENRES, ITEM, KEY, Dataset, Delimited, JsonLines, Source
from datasets.own_log.headers import has_header
from datasets.own_log.texts import as_text, shown

SAMPLE_BYTES: Final = 6 << 20  # with what the format is known by, 16 MB of a file are read
_SHOWN: Final = 3
SEPARATORS: Final = ("|", ";", ", ", ",", "/")


@dataclasses.dataclass(frozen=True)
class Profile:
    """One column of a table, by the rows that were looked at.

    Attributes:
      table, role, column: of which table, what it means, its name.
      rows: looked at.
      filled: share of them that have a value.
      distinct: different values.
      examples: the first of these.
      unread: cells that are none of their kind, and one of them.
    """

    table: str
    role: str
    column: str
    rows: int
    filled: float
    distinct: int
    examples: tuple[str, ...]
    unread: int
    unread_example: str | None

    def __str__(self) -> str:
        name = self.column if self.role in (self.column, "") else f"{self.column} ({self.role})"
        text = f"{self.table}.{name}: {percent(self.filled)} filled, {self.distinct:,} different, such as "
        text += ", ".join(self.examples) or "none"
        return text + (f"; {self.unread:,} unread, such as {self.unread_example}" if self.unread else "")


def profiles(dataset: Dataset, params: ExampleGenParams) -> list[Profile]:
    """Of each column that is read, by at most SAMPLE_BYTES of the first file of its table."""
    found = []
    tables_ = [(table.in_file, table.in_file.columns) for table in dataset.tables]
    if dataset.items is not None and dataset.items.of_log:
        # Titles and features that stand in the log.
        items = dataset.items.in_file
        columns = {role: name for role, name in items.columns.items() if role not in (ITEM, KEY)}
        tables_.append((dataclasses.replace(items, table=dataset.ratings.table), columns))
    for source, read in tables_:
        sample = sample_of(source, params)
        for role, column in read.items():
            wrong = cells.typed(sample[role], source.kinds[role], source.missing)[1]
            found.append(_profile(source, role, column, sample[role], wrong))
    return found


def sample_of(source: Source, params: ExampleGenParams) -> pa.RecordBatch:
    """The first rows of a table, their cells as they are."""
    raw = dataclasses.replace(source, rows=None)
    return tables.sample(raw, source.files[0], params.max_line_bytes, SAMPLE_BYTES)


def _profile(source: Source, role: str, column: str, raw: pa.Array, wrong: np.ndarray) -> Profile:
    texts = as_text(raw)
    there = texts.filter(pa.array(wrong != cells.MISSING))
    there = there.filter(pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(there), ""), False))
    distinct = there.unique()
    unread = np.flatnonzero(np.isin(wrong, (cells.NOT_OF_KIND, cells.TOO_LARGE)))
    return Profile(
        source.table,
        role,
        column,
        len(raw),
        len(there) / len(raw) if len(raw) else 0.0,
        len(distinct),
        tuple(map(shown, distinct[:_SHOWN].to_pylist())),
        len(unread),
        shown(texts[int(unread[0])].as_py()) if len(unread) else None,
    )


def notes(dataset: Dataset, params: ExampleGenParams) -> Iterator[str]:
    """What looks wrong in how columns are read, in words."""
    for source in dataset.tables:
        if not isinstance(source.format, Delimited | JsonLines):
            continue
        yield from _encoding(source, params)
        yield from _header(source, params)
        multis = [role for role, kind in source.kinds.items() if kind == "texts"]
        sample = sample_of(source, params) if multis else None
        for role in multis:
            assert sample is not None
            if role == GENRES or pa.types.is_string(sample[role].type):
                yield from _separator(source.columns[role], sample[role], params.list_separator)


def _header(source: Source, params: ExampleGenParams) -> Iterator[str]:
    """A first line that is taken for a header and looks like data."""
    file, format_ = source.files[0], source.format
    if isinstance(format_, Delimited) and format_.names is None and not has_header(file, format_, params):
        yield (
            f"the first line of {file.name} names its columns and looks like data: if it has no header, give "
            "the numbers of the columns, as in example_gen.columns={user: 1, item: 2}, or their names"
        )


def _encoding(source: Source, params: ExampleGenParams) -> Iterator[str]:
    """A file in UTF-8 that is read as something else."""
    assert isinstance(source.format, Delimited | JsonLines)
    file, encoding = source.files[0], source.format.encoding
    if encoding not in ("latin-1", "cp1252") or encodings.encoding_of(file) != "utf-8":
        return
    word = encodings.word_beyond_ascii(file)
    if word is None:
        return
    became = word.encode().decode(encoding, "replace")
    yield (
        f"{file.name} is valid UTF-8 with letters beyond ASCII and is read as {encoding.capitalize()}: "
        f"{word!r} becomes {became!r}; leave example_gen.encoding out"
    )


def _separator(column: str, raw: pa.Array, separator: str) -> Iterator[str]:
    """A list whose separator is in no cell while another one is in many."""
    if not (pa.types.is_string(raw.type) or pa.types.is_dictionary(raw.type)):
        return
    texts = as_text(raw).drop_null()
    if not len(texts) or pc.any(pc.match_substring(texts, separator)).as_py():
        return
    for other in SEPARATORS:
        share = pc.sum(pc.match_substring(texts, other)).as_py() / len(texts)
        if other != separator and share > 0.3:
            yield (
                f"{column} is a list, and no cell has {separator!r} while {percent(share)} have {other!r}: "
                f"set example_gen.list_separator to {other!r}"
            )
            return
