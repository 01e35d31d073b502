"""Lines of `user item` in time order, as papers on sequential recommendation publish their data."""

from __future__ import annotations

import re
from typing import Final

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import text_blocks
from components.example_gen.reading.detection import formats
from components.example_gen.reading.layouts.layout import Layout, files_of
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import ITEM, USER, Dataset, Delimited, Source

_NAMES: Final = re.compile(r".*\.(txt|inter)(\.gz)?")
_LOOKED_AT: Final = 20  # lines
_OF_OTHERS: Final = re.compile(rb"[,;|{}\"]|::")  # in the lines of other formats


def _detect(path: Place, params: ExampleGenParams) -> bool:
    if params.columns or not path.is_file() or formats.kind_of(path) is not Delimited:
        return False
    lines = [line.split() for line in text_blocks.head(path).split(b"\n")[:_LOOKED_AT] if line.strip()]
    if not lines or any(len(words) != 2 or any(map(_OF_OTHERS.search, words)) for words in lines):
        return False
    # A first line of words above lines of numbers is a header.
    rest = [word.isdigit() for words in lines[1:] for word in words]
    return not (rest and all(rest) and not any(word.isdigit() for word in lines[0]))


def _describe(path: Place, params: ExampleGenParams) -> Dataset:
    files = (path,) if path.is_file() else files_of(path, _NAMES)
    if not files:
        raise DataError(path.name, f"{path} has no .txt file; expected lines of `user item` in time order")
    format_ = Delimited(" ", (USER, ITEM), quoted=False, encoding=params.encoding or "utf-8")
    columns = {USER: USER, ITEM: ITEM}
    return Dataset(LAYOUT.name, Source("ratings", files, format_, columns, {USER: "id", ITEM: "id"}))


LAYOUT: Final = Layout("pairs", "a text file of `user item` lines", _detect, _describe)
