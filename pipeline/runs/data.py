"""Which data a run reads when none is named: a local copy, GroupLens, or the sample."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.example_gen.errors import DataError
from components.example_gen.reading.layouts import detect
from components.example_gen.reading.places import Place, absolute
from components.example_gen.reading.source import Dataset
from datasets.generated import movielens_sample, shop_sample
from datasets.movielens import fetch
from datasets.own_log.survey import Survey
from pipeline.config.sections import Config
from pipeline.errors import InputError
from pipeline.runs import column_map

ENVIRONMENT = "DATA"
LOCAL_COPY = Path("data") / "ml-latest-small"
_RATINGS = "ratings.csv"
_LINE = "\n"
_DOWNLOAD_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Data:
    """The log's file or folder, or several as lines, and a sentence on where it comes from.

    Attributes:
      map: of its columns, where the config has none and they were guessed.
    """

    path: Place | str
    origin: str
    map: Survey | None = None

    def applied(self, config: Config) -> Config:
        """The config of a run on it: its path, and the map of its columns where that was guessed."""
        values: dict[str, Any] = {"data": str(self.path)}
        if self.map is not None:
            values["example_gen"] = self.map.params(config.example_gen)
        return config.model_copy(update=values)

    def __str__(self) -> str:
        return f"{str(self.path).replace(_LINE, ' and ')} ({self.origin})"


def resolve(config: Config, environment: Mapping[str, str] = os.environ) -> Data:
    """The first of: the config's `data`, DATA, a local copy, GroupLens, the generated sample.

    A config of a generated shop has neither of the two in the middle.

    A path that is given must exist: nothing is put in its place.

    Raises:
      InputError: if a given path holds no ratings, or nobody can tell what its columns mean.
    """
    if config.data is not None:
        return _checked(config.data, "data", config, "as given")
    if environment.get(ENVIRONMENT):
        return _checked(environment[ENVIRONMENT], ENVIRONMENT, config, f"from {ENVIRONMENT}")
    if config.sample == "shop":
        return Data(_sample(config), "generated shop")
    local = LOCAL_COPY.absolute()
    if (local / _RATINGS).is_file():
        return Data(local, "local copy")
    try:
        fetched = fetch.fetch(local, _DOWNLOAD_SECONDS)
    except fetch.FetchError as error:
        return Data(_sample(config), f"generated sample, because {error}")
    return Data(Path(fetched), f"downloaded from GroupLens; {fetch.LICENCE_NOTE}")


def layout_of(path: Place | str, config: Config) -> Dataset:
    """What is read of a path.

    Raises:
      InputError: nothing that is known lies there.
    """
    try:
        return detect(path, config.example_gen)
    except DataError as error:
        raise InputError(str(error)) from error


def _checked(given: str | Sequence[str], name: str, config: Config, origin: str) -> Data:
    found = [absolute(each) for each in ((given,) if isinstance(given, str) else given)]
    path = found[0] if len(found) == 1 else _LINE.join(map(str, found))
    try:
        known = None
        if column_map.needed(found[0], config.example_gen):
            known = column_map.guessed(found[0], config.example_gen)
        data = Data(path, origin, known)
        layout_of(path, data.applied(config))
        return data
    except column_map.UnclearMapError:
        raise  # which says all that there is to do
    except (InputError, DataError) as error:
        raise InputError(
            f"{name} = {', '.join(map(str, found))}: {error}; or leave it out for ml-latest-small or "
            "the sample"
        ) from error


def _sample(config: Config) -> Path:
    """The sample of the default sizes, made once: the same arguments give the same bytes."""
    shop = config.sample == "shop"
    path = Path(config.local_dir) / ("shop" if shop else "sample")
    if not (path / (shop_sample.EVENTS if shop else _RATINGS)).is_file():
        (shop_sample if shop else movielens_sample).generate(path)
    return path
