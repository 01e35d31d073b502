"""What the columns of a file look like, before anybody says what they mean."""

from __future__ import annotations

import dataclasses
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import tables
from components.example_gen.reading.detection import formats, times
from components.example_gen.reading.formats import packing, sheet
from components.example_gen.reading.places import Place
from components.example_gen.reading.quarantine import WIDTH
from components.example_gen.reading.source import (
    Delimited,
    Format,
    Parquet,
    Sheet,
    Source,
)
from components.example_gen.reading.values.times import PER_SECOND
from datasets.own_log import words
from datasets.own_log.headers import ENOUGH, NUMBER, has_header
from datasets.own_log.profile import SAMPLE_BYTES
from datasets.own_log.texts import as_text, shown

_WHOLE: Final = r"^[+-]?\d+(\.0*)?$"
_FIRST_ROWS: Final = 10_000  # of Parquet and sheets, whatever their size
_FROM: Final = 631_152_000  # 1990 and 2100 in seconds, between which logs are
_UNTIL: Final = 4_102_444_800
_NAMES: Final = {"\t": "tabs", " ": "blanks", ",": "commas", ";": "semicolons", "\x01": "Ctrl-A"}


@dataclasses.dataclass(frozen=True)
class Look:
    """A column.

    Attributes:
      name: in the file; without a header its number.
      what: empty, times, whole numbers, numbers, list or text.
      units: of times.
      filled: share of the rows with a value.
      distinct: different values.
      low, high: of numbers.
      examples: the first values.
      text: all cells of the sample; the missing ones are null.
    """

    name: str
    what: str
    units: tuple[str, ...]
    filled: float
    distinct: int
    low: float
    high: float
    examples: tuple[str, ...]
    text: pa.StringArray = dataclasses.field(repr=False)

    def __str__(self) -> str:
        if self.what == "empty":
            return "no value"
        what = f"times ({' or '.join(self.units)})" if self.units else self.what
        form = ".0f" if self.what == "whole numbers" else "g"
        span = f" from {self.low:{form}} to {self.high:{form}}" if self.what.endswith("numbers") else ""
        gaps = "" if self.filled == 1 else f", {self.filled:.0%} filled".replace("%", " %")
        return f"{what}{span}, {self.distinct:,} different{gaps}: {', '.join(self.examples)}"


@dataclasses.dataclass(frozen=True)
class FileLook:
    """A file.

    Attributes:
      path, format: which, and how it is read.
      header: whether a row of it names the columns.
      rows: that were looked at.
      whole: whether these are all.
      columns: in the file's order, without those that share a name.
      twice: names that several have.
      no_records: how many lines are none, and what is wrong with the first.
      line_ends: in the cells of the rows, inside quotes.
    """

    path: Place
    format: Format
    header: bool
    rows: int
    whole: bool
    columns: tuple[Look, ...]
    twice: tuple[str, ...] = ()
    no_records: tuple[int, str] = (0, "")
    line_ends: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def __str__(self) -> str:
        """For instance "text with ';' between the columns, a header, Latin-1, gzip; 1,234 records"."""
        count = f"{self.rows:,} records" if self.whole else f"the first {self.rows:,} records looked at"
        count += f" over {self.rows + self.line_ends:,} lines" * (self.line_ends > 0)
        lines, first = self.no_records
        odd = f"; {lines:,} {'lines that are none' if lines > 1 else 'line that is none'}: {first}" * (
            lines > 0
        )
        return f"{format_words(self.path, self.format, self.header)}; {count}{odd}"


def format_words(path: Place, format_: Format, header: bool) -> str:
    """A format in words, such as "text with commas between the columns, a header, UTF-8"."""
    if isinstance(format_, Parquet):
        return "Parquet"
    if isinstance(format_, Sheet):
        above, others = sheet.left_out(path)
        parts = ["a sheet"]
        if above:
            parts.append(f"{above} {'row' if above == 1 else 'rows'} above its header left out")
        if others:
            parts.append(f"without the sheets of other columns: {', '.join(others)}")
        return ", ".join(parts)
    parts = ["JSON lines"]
    if isinstance(format_, Delimited):
        between = _NAMES.get(format_.delimiter, repr(format_.delimiter))
        parts = [f"text with {between} between the columns", "a header" if header else "no header"]
        if format_.above:
            parts.append(f"{format_.above} {'line' if format_.above == 1 else 'lines'} above left out")
        if comment := format_.comment or format_.head_comment:
            parts.append(f"comments behind {comment}")
        if format_.decimal == ",":
            parts.append("a comma in numbers")
    parts.append(format_.encoding.upper().replace("LATIN", "Latin").replace("CP", "Windows-"))
    packed = packing.packing(path)
    return ", ".join([*parts, *([packed] if packed else [])])


def look(path: Place, params: ExampleGenParams, format_: Format | None = None) -> FileLook:
    """A file by its first SAMPLE_BYTES.

    Args:
      format_: as `format_of` knows it; None: not known yet.

    Raises:
      DataError: it is no table, cut off or damaged, or no column has a name of its own.
    """
    format_ = format_ or formats.format_of(path, params)
    header = True
    if isinstance(format_, Delimited) and format_.names is None and not has_header(path, format_, params):
        header = False
        width = len(tables.header(format_, path, params.max_line_bytes))
        names_ = tuple(str(number + 1) for number in range(width))
        format_ = dataclasses.replace(format_, names=names_, above=0)  # as columns by number are read
    header_names = tables.header(format_, path, params.max_line_bytes)
    names = [name for name in header_names if name and header_names.count(name) == 1]
    if not names:
        came = ", ".join(repr(name) for name in header_names)
        expected = "a name for each column (example_gen.names gives them)"
        raise DataError(path.name, f"no column has a name that no other has: {came}; expected {expected}")
    source = Source(
        "columns", (path,), format_, {name: name for name in names}, dict.fromkeys(names, "any"),
        optional=frozenset(names),
    )  # fmt: skip
    no_records: list[str] = []

    def set_aside(line: int, kind: str, reason: str) -> None:
        no_records.append(f"line {line} has {reason}" if kind == WIDTH else f"line {line}: {reason}")

    sample = tables.sample(source, path, params.max_line_bytes, SAMPLE_BYTES, set_aside)
    missing = pa.array(params.missing_markers)
    columns = tuple(look_of(name, sample[name], missing) for name in names)
    whole = _is_small(path, format_, len(sample))
    twice = tuple(dict.fromkeys(name for name in header_names if name and header_names.count(name) > 1))
    odd = len(no_records), next(iter(no_records), "")
    ends = 0
    if isinstance(format_, Delimited) and format_.quoted:
        ends = sum(pc.sum(pc.count_substring(as_text(sample[name]), "\n")).as_py() or 0 for name in names)
    return FileLook(
        path, format_, header and params.names == (), len(sample), whole, columns, twice, odd, ends
    )


def _is_small(path: Place, format_: Format, rows: int) -> bool:
    """Whether a file has no more than what was looked at."""
    if isinstance(format_, Parquet | Sheet):
        return rows < _FIRST_ROWS
    if packing.packing(path) is None:
        return path.stat().st_size < SAMPLE_BYTES
    left = SAMPLE_BYTES
    with packing.unpacked(path) as file:
        while left > 0 and (data := file.read(left)):
            left -= len(data)
    return left > 0


def look_of(name: str, column: pa.Array, missing: pa.Array | None = None) -> Look:
    """A column of cells, by its name.

    Args:
      missing: text[markers], of cells that mean nothing.
    """
    listed = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    text = pc.utf8_trim_whitespace(as_text(column))
    if missing is not None:
        text = pc.if_else(pc.is_in(text, missing), pa.scalar(None, pa.string()), text)
    there = text.drop_null()
    values = there.unique()
    low = high = 0.0
    units: tuple[str, ...] = ()
    timed = pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)
    if not len(values):
        what = "empty"
    elif listed:
        what = "list"
    elif timed:
        what, units = "times", ("iso",)
    else:
        numbers = values.filter(pc.match_substring_regex(values, NUMBER))
        if len(numbers) >= ENOUGH * len(values):
            found = pc.replace_substring(numbers, ",", ".").cast(pa.float64()).to_numpy()
            low, high = float(found.min()), float(found.max())
            whole = pc.all(pc.match_substring_regex(numbers, _WHOLE)).as_py()
            what = "whole numbers" if whole else "numbers"
            units = () if words.says_id(name) else _units(numbers, low, high)
        else:
            units = tuple(unit for unit in times.units_of(values) if unit != "s")
            what = "times" if units else "text"
    rows = max(len(column), 1)
    return Look(
        name, "times" if units else what, units, len(there) / rows, len(values), low, high,
        tuple(map(shown, values[:3].to_pylist())), text,
    )  # fmt: skip


def _units(numbers: pa.StringArray, low: float, high: float) -> tuple[str, ...]:
    """The unit of numbers that may be times: of these years, or dates in digits.

    Numbers that begin with 0 are ids.
    """
    if pc.any(pc.match_substring_regex(numbers, r"^0\d")).as_py():
        return ()
    units = tuple(times.units_of(numbers))
    per_second = PER_SECOND.get(units[0])
    if per_second is None:
        return units if low > 0 else ()
    return units if low / per_second >= _FROM and high / per_second < _UNTIL else ()
