"""The figures with their bounds: the rows of the table."""

from __future__ import annotations

import collections
import dataclasses
from pathlib import PurePosixPath
from typing import Any, Final

from tools.house import duplicates, imports, places, private, words
from tools.house.sources import python_sources, tracked_files

FILES_PER_FOLDER: Final = 12
LINES_OF_A_FILE: Final = 500
PRODUCTION_LINES: Final = 40_000


@dataclasses.dataclass(frozen=True)
class Figure:
    """One row.

    Attributes:
      bound: the highest value allowed; None: told, not judged.
      places: what makes up the value, worst first.
      listed: the places are printed although the bound holds.
    """

    name: str
    value: int
    bound: int | None
    places: list[str]
    listed: bool = False

    @property
    def ok(self) -> bool:
        return self.bound is None or self.value <= self.bound

    def as_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "ok": self.ok}


def figures(quick: bool = False) -> list[Figure]:
    """Measures the tree.

    Args:
      quick: only what a commit may not break and what import-linter does not measure.
    """
    found = [
        files_per_folder(),
        _none("imports of the contract", imports.outside_standard_library()),
        _none("import circles between modules", imports.circles()),
        _none("private interfaces without a fallback", private.unguarded()),
        movies(),
    ]
    if quick:
        return found
    return [
        *found,
        _none("imports against the layers", imports.broken_contracts()),
        Figure("import circles between folders", len(folders := imports.folder_circles()), None, folders),
        _none("duplicated blocks, production", duplicates.blocks(production=True)),
        _none("duplicated blocks, tests", duplicates.blocks(production=False)),
        *longest_files(),
        production_lines(),
        *files_to_touch(),
    ]


def files_per_folder() -> Figure:
    counts = collections.Counter(str(PurePosixPath(path).parent) for path in tracked_files())
    worst = [(folder, count) for folder, count in counts.most_common() if count > FILES_PER_FOLDER]
    places = [f"{folder}: {count}" for folder, count in worst]
    return Figure("files in the fullest folder", max(counts.values()), FILES_PER_FOLDER, places)


def longest_files() -> list[Figure]:
    found = []
    for name, production in (("production", True), ("test", False)):
        sizes = sorted(
            ((len(source.text.splitlines()), source.path) for source in python_sources()
             if source.is_production == production), reverse=True,
        )  # fmt: skip
        places = [f"{path}: {lines}" for lines, path in sizes if lines > LINES_OF_A_FILE]
        found.append(Figure(f"lines of the longest {name} file", sizes[0][0], LINES_OF_A_FILE, places))
    return found


def production_lines() -> Figure:
    lines: collections.Counter[str] = collections.Counter()
    for source in python_sources():
        if source.is_production:
            lines[source.path.split("/")[0]] += len(source.text.splitlines())
    places = [f"{package}: {count:,}" for package, count in lines.most_common()]
    return Figure("lines of Python but tests", lines.total(), PRODUCTION_LINES, places, listed=True)


def files_to_touch() -> list[Figure]:
    found = [(name, bound, places.files_to_touch(name)) for name, bound in places.SECTIONS.items()]
    return [Figure(f"files to touch: {name}", len(files), bound, files) for name, bound, files in found]


def movies() -> Figure:
    found = words.movie_identifiers()
    places = [f"{path}: {count}" for path, count in found.most_common()]
    return Figure("identifiers that say movie", found.total(), 0, places)


def _none(name: str, places: list[str]) -> Figure:
    return Figure(name, len(places), 0, places)
