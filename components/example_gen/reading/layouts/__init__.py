"""The layouts that are known, and which of them a path holds.

A layout is one file of this folder that ends in a `Layout`, and its line in LAYOUTS below. Discovery is
explicit because the cache key of the step follows imports: a layout that nothing imports would change
what is read without a new run.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from typing import Final

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.layouts import (
    events,
    mind,
    movielens_100k,
    movielens_csv,
    movielens_dat,
    own,
    pairs,
    recbole,
)
from components.example_gen.reading.layouts.layout import Layout
from components.example_gen.reading.places import Place, places
from components.example_gen.reading.rows import conditions
from components.example_gen.reading.source import RATING, Dataset, Kind, Source

# The first that detects its files has them.
LAYOUTS: Final[tuple[Layout, ...]] = (
    movielens_csv.LAYOUT,
    movielens_dat.LAYOUT,
    movielens_100k.LAYOUT,
    recbole.LAYOUT,
    mind.LAYOUT,
    pairs.LAYOUT,
    *own.LAYOUTS,
)


def detect(path: Place | str, params: ExampleGenParams) -> Dataset:
    """What a file or folder holds, in the layout that is there or that `params` names.

    A companion file that is missing is found when it is read.

    Args:
      path: or several, as lines: logs over the items of the first, each in a layout of its own.

    Raises:
      DataError: no such path or layout, or nothing there that is known.
    """
    first, *others = places(path)
    dataset = _detect(first, params)
    more = []
    for other in others:
        log = events.find(other, params, dataset.ratings) if other.exists() else None
        log = log or _detect(other, params).ratings
        if lacks := events.lacks(log, dataset.ratings):
            has, has_not = (log, dataset.ratings) if lacks in log.columns else (dataset.ratings, log)
            raise DataError(
                has_not.files[0].name,
                f"has no {lacks}, expected one as {has.files[0].name} has it: both are logs of one data set",
            )
        more.append(log)
    return dataclasses.replace(dataset, more=tuple(more))


def known(path: Place, params: ExampleGenParams) -> bool:
    """Whether a path is in a layout that needs no map of its columns, or has one."""
    return params.layout != "auto" or any(layout.detect(path, params) for layout in LAYOUTS)


def _detect(path: Place, params: ExampleGenParams) -> Dataset:
    expected = f"expected {'; or '.join(dict.fromkeys(layout.holds for layout in LAYOUTS))}"
    try:
        there = path.exists()
    except OSError as error:
        raise DataError(path.name, f"{path} cannot be reached: {error}; {expected}") from error
    if not there:
        raise DataError(path.name, f"{path} is not a file or folder; {expected}")
    for layout in LAYOUTS:
        if layout.name == params.layout or (params.layout == "auto" and layout.detect(path, params)):
            return _chosen(layout.describe(path, params), params)
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


def _chosen(dataset: Dataset, params: ExampleGenParams) -> Dataset:
    """The data set with the conditions of the config, and the events that its files' names stand for."""
    log = dataset.ratings
    if params.unrated and RATING not in log.columns:
        expected = "leave example_gen.unrated out, or name their column as example_gen.columns.rating"
        raise DataError(
            "example_gen.unrated", f"names ratings, and {log.files[0].name} is read without any: {expected}"
        )
    keep, drop = (tuple(map(conditions.parse, texts)) for texts in (params.keep, params.drop))
    read = {condition.role: condition.column for condition in (*keep, *drop)}
    columns = {**log.columns, **read}
    kinds: dict[str, Kind] = {**log.kinds, **dict.fromkeys(read, "cell")}
    events = _events(log, params)
    return dataclasses.replace(
        dataset,
        ratings=dataclasses.replace(
            log,
            columns=columns,
            kinds=kinds,
            keep=keep,
            drop=drop,
            events=events,
            join=log.join and log.join.giving(read),
        ),
        unrated_events=params.unrated_as == "events",
    )


def _events(log: Source, params: ExampleGenParams) -> tuple[str, ...]:
    """The event of each file, none where no file has one."""
    if not params.event_of_file:
        return ()
    found = []
    for file in log.files:
        of = [event for pattern, event in params.event_of_file.items() if fnmatch.fnmatch(file.name, pattern)]
        if not of:
            patterns = ", ".join(params.event_of_file)
            raise DataError(
                file.name, f"has no event, expected a name like one of {patterns} (example_gen.event_of_file)"
            )
        found.append(of[0])
    return tuple(found)
