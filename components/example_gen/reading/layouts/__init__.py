"""The layouts that are known, and which of them a path holds.

A layout is one file of this folder that ends in a `Layout`, and its line in LAYOUTS below. Discovery is
explicit because the cache key of the step follows imports: a layout that nothing imports would change
what is read without a new run.
"""

from __future__ import annotations

from typing import Final

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.layouts import movielens_100k, movielens_csv, movielens_dat, own, pairs
from components.example_gen.reading.layouts.layout import Layout
from components.example_gen.reading.places import Place, place
from components.example_gen.reading.source import Dataset

# The first that detects its files has them.
LAYOUTS: Final[tuple[Layout, ...]] = (
    movielens_csv.LAYOUT,
    movielens_dat.LAYOUT,
    movielens_100k.LAYOUT,
    pairs.LAYOUT,
    *own.LAYOUTS,
)


def detect(path: Place | str, params: ExampleGenParams) -> Dataset:
    """What a file or folder holds, in the layout that is there or that `params` names.

    A companion file that is missing is found when it is read.

    Raises:
      DataError: no such path or layout, or nothing there that is known.
    """
    path = place(path)
    expected = f"expected {'; or '.join(dict.fromkeys(layout.holds for layout in LAYOUTS))}"
    try:
        there = path.exists()
    except OSError as error:
        raise DataError(path.name, f"{path} cannot be reached: {error}; {expected}") from error
    if not there:
        raise DataError(path.name, f"{path} is not a file or folder; {expected}")
    for layout in LAYOUTS:
        if layout.name == params.layout or (params.layout == "auto" and layout.detect(path, params)):
            return layout.describe(path, params)
    if params.layout != "auto":
        names = ", ".join(["auto", *(layout.name for layout in LAYOUTS)])
        raise DataError("example_gen.layout", f"is {params.layout!r}, expected one of {names}")
    if (file := own.example(path)) is not None:
        raise DataError(
            file.name,
            "is no MovieLens file; say which columns of it mean what: --set 'example_gen.columns={user: ..., "
            f"item: ..., rating: ..., time: ...}}'; or {expected}",
        )
    what = "holds none of the files that are known" if path.is_dir() else "is of no layout that is known"
    raise DataError(path.name, f"{path} {what}; {expected}")
