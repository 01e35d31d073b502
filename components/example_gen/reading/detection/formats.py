"""The format of a file, by what is in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import text_blocks
from components.example_gen.reading.detection import delimiters, encodings, others
from components.example_gen.reading.formats import packing
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import Delimited, Format, JsonLines, Parquet, Sheet

NAMES: Final[dict[type[Format], str]] = {
    Parquet: "parquet",
    Delimited: "csv",
    JsonLines: "json",
    Sheet: "sheet",
}  # as layouts
_HEAD: Final = 1 << 18
_COMPOUND_FILE: Final = b"\xd0\xcf\x11\xe0"  # of Excel before 2007


def format_of(path: Place, params: ExampleGenParams, wanted: Iterable[str] = ()) -> Format:
    """How to read a file.

    Args:
      wanted: names of columns that are asked for.

    Raises:
      DataError: it is no table, cut off or damaged.
    """
    kind = kind_of(path)
    if kind in (Parquet, Sheet):
        return kind()
    encoding = params.encoding or encodings.encoding_of(path)
    if kind is JsonLines:
        return JsonLines(encoding)
    text = _head(path, encoding)
    return delimiters.describe(text, params, tuple(dict.fromkeys(wanted)), encoding)


def kind_of(path: Place) -> type[Format]:
    """The class of a file's format.

    Raises:
      DataError: it is no table, cut off or damaged.
    """
    start = packing.first_bytes(path, 8)
    if start.startswith(b"PAR1"):
        return Parquet
    if start.startswith(_COMPOUND_FILE) or (start.startswith(b"PK\x03\x04") and packing.is_sheet(path)):
        return Sheet
    with packing.unpacked(path) as file:
        start = file.read(1 << 12)
    others.require_table(path, start)
    text = start.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").strip(b"\xff\xfe \t\r\n")
    if text.startswith(b"[") and text[1:].lstrip().startswith(b"{"):
        raise DataError(
            path.name, "is one JSON list; expected an object per line, as `jq -c '.[]' FILE` writes it"
        )
    if text.split(b"\n")[0].strip() == b"{":
        raise DataError(
            path.name,
            "is JSON whose objects go over several lines; expected one per line, as `jq -c . FILE` writes it",
        )
    return JsonLines if text.startswith(b"{") else Delimited


def _head(path: Place, encoding: str) -> str:
    """Whole lines of the beginning."""
    data = text_blocks.head(path, _HEAD, encoding)
    if len(data) >= _HEAD // 2 and b"\n" in data:
        data = data[: data.rfind(b"\n") + 1]
    return data.decode("utf-8", "replace")
