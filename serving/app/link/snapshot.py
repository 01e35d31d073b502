"""One version of the model, as the application knows it: an answer is made from one of these alone."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import contract
from contract.description import Description
from serving.app.catalogue.catalogue import Catalogue
from serving.app.catalogue.search import SearchIndex
from serving.app.link import carried as carried_files
from serving.app.link.carried import Carried
from serving.app.link.files import Files, FilesError
from serving.app.results import Column, HistogramBar, Scale

# Columns of every catalogue, which no data set names.
_EVERY_CATALOGUE = (contract.ITEM_ID, contract.TITLE, contract.RATING_COUNT, contract.RATING_MEAN)


@dataclasses.dataclass(frozen=True, eq=False)
class Snapshot:
    """A version and what it carries.

    Attributes:
      model, version: which.
      catalogue: its items.
      search: their titles.
      description: what the model says of itself: sizes, limits, columns.
      pushed: contract.PUSHED: run, metrics, gates; empty where the version has none.
      carried: the items' map, histograms, users to look at.
    """

    model: str
    version: int
    catalogue: Catalogue
    search: SearchIndex
    description: Description
    pushed: Mapping[str, Any]
    carried: Carried = dataclasses.field(default_factory=Carried)

    @property
    def explicit(self) -> bool:
        """Whether the data has ratings."""
        return self.description.feedback == "explicit"

    @property
    def rates(self) -> bool:
        """Whether the model predicts ratings."""
        return self.explicit

    @functools.cached_property
    def scale(self) -> Scale | None:
        """Of the data's ratings; None for data without."""
        return _scale(self.description)

    @property
    def event_weights(self) -> Mapping[str, float]:
        """Of a log of several kinds of events: the weight of each, of the heaviest 1."""
        return self.description.event_weights

    @property
    def item_noun(self) -> str:
        return self.description.item_noun

    @property
    def limits(self) -> Mapping[str, float]:
        """Of a request: max_k, max_history, max_exclude, max_candidates, max_boost ..."""
        return self.description.limits

    def limit(self, name: str) -> int:
        """One of `limits` that is a count."""
        return int(self.limits[name])

    def histogram(self, item_id: str) -> list[HistogramBar] | None:
        """How often each rating stands in the training data; None where the model does not carry it."""
        if self.carried.histograms is None or self.scale is None:
            return None
        bars = self.carried.histograms.get(item_id, ())
        return [HistogramBar(value=self.scale.rating(bar.value), count=bar.count) for bar in bars]

    @property
    def taste_column(self) -> str | None:
        return self.catalogue.taste_column


async def load(files: Files, model: str, version: int) -> Snapshot:
    """Reads a version's files.

    Raises:
      FilesError: one is missing or cannot be read.
    """
    needed = (contract.CATALOGUE, contract.POPULARITY, contract.DESCRIPTION)
    names = (*needed, contract.PUSHED, *carried_files.FILES)
    table, popularity, description, pushed, *more = await asyncio.gather(
        *(files.read(model, version, name) for name in names)
    )
    if table is None or popularity is None or description is None:
        read = zip(needed, (table, popularity, description), strict=True)
        lacking = ", ".join(name for name, content in read if content is None)
        raise FilesError(
            f"{model} version {version} carries no {lacking}: it, or the model server, is older than this "
            "application, or not of this pipeline; push a new version, or update the model server"
        )
    # Seconds for a million items: not on the event loop.
    return await asyncio.to_thread(_built, model, version, table, popularity, description, pushed, more)


def _built(
    model: str,
    version: int,
    table: bytes,
    popularity: bytes,
    description: bytes,
    pushed: bytes | None,
    more: Sequence[bytes | None],
) -> Snapshot:
    try:
        described = Description.of(json.loads(description))
        items = _table(table)
        scale = _scale(described)
        catalogue = Catalogue(
            items,
            _columns(described),
            _shares(_table(popularity), items),
            scale.rating if scale else None,
        )
        _ = catalogue.values, catalogue.numbers, catalogue.newest  # made here, not in a request
        return Snapshot(
            model,
            version,
            catalogue,
            SearchIndex(catalogue.titles),
            described,
            json.loads(pushed or b"{}"),
            carried_files.read(*more),
        )
    except (ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise FilesError(f"{model} version {version}: its files cannot be read: {error}") from error


def _scale(described: Description) -> Scale | None:
    return Scale.of(*described.data_rating_scale) if described.data_rating_scale else None


def _table(content: bytes) -> pa.Table:
    return pq.ParquetFile(io.BytesIO(content)).read()


def _columns(described: Description) -> list[Column]:
    """The data's own, with the year."""
    return [
        Column(
            name=column.name,
            kind="number" if column.type == "year" else column.type,
            taste=column.taste,
            filters=column.filters,
        )
        for column in described.columns
        if column.name not in _EVERY_CATALOGUE
    ]


def _shares(popularity: pa.Table, items: pa.Table) -> np.ndarray:
    """Shares in the catalogue's order."""
    shares = dict(zip(*(column.to_pylist() for column in popularity.columns), strict=True))
    return np.asarray([shares.get(id_, 0.0) for id_ in items.column(contract.ITEM_ID).to_pylist()])
