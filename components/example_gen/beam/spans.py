"""Input files -> spans that workers read independently of each other.

A Parquet file is cut between row groups. A text file is cut at line ends, which needs
two things of every span before: how many lines it has, and that no quoted value of the
file holds a line end. So a pass counts lines, and quotes, first. A compressed file, a sheet, and
one with line ends inside quotes or a quote that is never closed, is one span.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import IO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.example_gen.reading import text_blocks
from components.example_gen.reading.places import Place, for_arrow
from components.example_gen.reading.source import Dataset, Delimited, Format, JsonLines, Parquet
from components.example_gen.reading.text_blocks import WHOLE, Span

_SEARCH_BYTES: Final = 1 << 16

# (file's position in `Dataset.log_files`, what of it)
Where = tuple[int, Span]
# What was counted in a span: (start, end, lines, whether a line end is inside quotes)
Counted = tuple[int, int, int, bool]


def plan(dataset: Dataset, span_bytes: int) -> tuple[list[Where], list[tuple[int, int, int]]]:
    """Spans that are known at once, and (file, start, end) in bytes of what is to be counted first.

    Args:
      span_bytes: about the size of a span.
    """
    spans: list[Where] = []
    pieces = []
    for number, path in enumerate(dataset.log_files):
        source = dataset.log_of(number)[0]
        size = path.stat().st_size if path.is_file() else 0  # the reader says what is missing
        if isinstance(source.format, Parquet) and size > span_bytes:
            spans += [(number, span) for span in _row_groups(path, span_bytes)]
        elif size <= span_bytes or not _in_spans(path, source.format):
            spans.append((number, WHOLE))
        else:
            pieces += [(number, at, at + span_bytes) for at in range(0, size, span_bytes)]
    return spans, pieces


def count(piece: tuple[int, int, int], dataset: Dataset) -> tuple[int, Counted]:
    """(file, what is in the lines that begin in these bytes of it)."""
    number, start, end = piece
    path, format_ = dataset.log_files[number], dataset.log_of(number)[0].format
    if not path.is_file():
        return number, (start, end, 0, True)  # one span, whose reader says so
    with path.open("rb") as file:
        start, end = _line_start(file, start), _line_start(file, end)
    if start == end:
        return number, (start, end, 0, False)
    delimiter = format_.delimiter if isinstance(format_, Delimited) and format_.quoted else None
    return number, (start, end, *text_blocks.count_lines(path, Span(start, end), delimiter))


def cut(counted: tuple[int, Iterable[Counted]]) -> Iterator[Where]:
    """The spans of a file of which all was counted."""
    number, pieces = counted
    ordered = sorted(pieces)
    if any(inside for *_, inside in ordered):
        yield number, WHOLE
        return
    line = 1
    for start, end, lines, _ in ordered:
        if start < end:
            yield number, Span(start, end, line)
        line += lines


def _in_spans(path: Place, format_: Format) -> bool:
    if not isinstance(format_, Delimited | JsonLines):
        return False
    # Quotes are counted beside a delimiter of one byte.
    simple = not isinstance(format_, Delimited) or not format_.quoted or len(format_.delimiter.encode()) == 1
    return simple and text_blocks.in_spans(path, format_.encoding)


def _line_start(file: IO[bytes], at: int) -> int:
    """Where the first line begins at or after `at`, or the end of the file."""
    if not at:
        return 0
    file.seek(min(at - 1, file.seek(0, os.SEEK_END)))
    while (data := file.readline(_SEARCH_BYTES)) and not data.endswith(b"\n"):
        pass
    return file.tell()


def _row_groups(path: Place, span_bytes: int) -> list[Span]:
    """Consecutive row groups of a Parquet file, about `span_bytes` together."""
    try:
        with pq.ParquetFile(for_arrow(path)) as file:
            groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
    except (pa.ArrowException, OSError):
        return [WHOLE]  # the reader says what is wrong
    ends = np.cumsum([group.total_byte_size for group in groups])
    first = np.unique(ends // span_bytes, return_index=True)[1].tolist()
    rows = np.cumsum([0, *(group.num_rows for group in groups)])
    return [Span(a, b, 1 + int(rows[a])) for a, b in zip(first, [*first[1:], len(groups)], strict=True)]
