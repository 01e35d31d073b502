"""What a layout is."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import Dataset, Format, Kind, Source


@dataclasses.dataclass(frozen=True)
class Layout:
    """A way in which people publish or keep a log.

    Attributes:
      name: in `example_gen.layout` and in reports.
      holds: what is there, in words, after "expected".
      detect: whether a path (that exists) holds it.
      describe: its tables. A companion file that is missing is found when it is read. What no
        description says, a function of the layout's own reads: `Source.rows`.
    """

    name: str
    holds: str
    detect: Callable[[Place, ExampleGenParams], bool]
    describe: Callable[[Place, ExampleGenParams], Dataset]


def has(path: Place, name: str) -> bool:
    """Whether a path is the file of that name, or a folder with it; gzipped or not."""
    if path.is_dir():
        return present(path, name).exists()
    return path.name in (name, f"{name}.gz")


def folder_of(path: Place) -> Place:
    """The folder that a path is, or whose file it is."""
    return path if path.is_dir() else path.parent


def present(folder: Place, name: str) -> Place:
    """The file, or its gzipped form where only that is there."""
    packed = folder / f"{name}.gz"
    return packed if packed.exists() and not (folder / name).exists() else folder / name


def files_of(path: Place, pattern: re.Pattern[str]) -> tuple[Place, ...]:
    """The files whose names match, in order: the path itself, or those below it."""
    if path.is_file():
        return (path,) if pattern.fullmatch(path.name) else ()
    return tuple(sorted(file for file in path.rglob("*") if file.is_file() and pattern.fullmatch(file.name)))


def table(name: str, file: Place, format_: Format, kinds: Mapping[str, Kind], names: Sequence[str]) -> Source:
    """A table of one file; `names` are of the columns that have the meanings of `kinds`, in their order."""
    return Source(name, (file,), format_, dict(zip(kinds, names, strict=True)), kinds)
