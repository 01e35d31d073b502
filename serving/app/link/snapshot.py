"""One version of the model, as the application knows it: an answer is made from one of these alone."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import contract
from serving.app.catalogue.catalogue import Catalogue
from serving.app.catalogue.search import SearchIndex
from serving.app.link import carried as carried_files
from serving.app.link.carried import Carried
from serving.app.link.files import Files, FilesError
from serving.app.results import Column, HistogramBar, Scale


@dataclasses.dataclass(frozen=True, eq=False)
class Snapshot:
    """A version and what it carries.

    Attributes:
      model, version: which.
      catalogue: its items.
      search: their titles.
      info: contract.INDEX_INFO: sizes, limits, features.
      pushed: contract.PUSHED: run, metrics, gates; empty where the version has none.
      carried: the items' map, histograms, users to look at.
    """

    model: str
    version: int
    catalogue: Catalogue
    search: SearchIndex
    info: Mapping[str, Any]
    pushed: Mapping[str, Any]
    carried: Carried = dataclasses.field(default_factory=Carried)

    @property
    def explicit(self) -> bool:
        """Whether the data has ratings."""
        return bool(self._features.get("feedback", "explicit") == "explicit")

    @property
    def rates(self) -> bool:
        """Whether the model predicts ratings."""
        return self.explicit

    @property
    def scale(self) -> Scale | None:
        """Of the data's ratings; None for data without."""
        return _scale(self.info)

    @property
    def event_weights(self) -> Mapping[str, float]:
        """Of a log of several kinds of events: the weight of each, of the heaviest 1."""
        weights: Mapping[str, float] = self._features.get("event_weights", {})
        return weights

    @property
    def _features(self) -> Mapping[str, Any]:
        features: Mapping[str, Any] = self.info.get("features", {})
        return features

    @property
    def item_noun(self) -> str:
        return str(self._features.get("item_noun", "item"))

    def limit(self, name: str, default: int) -> int:
        """A limit of the model's graph: max_k, max_history, max_exclude, max_items ..."""
        return int(self.info.get("params", {}).get(name, default))

    def histogram(self, item_id: str) -> list[HistogramBar] | None:
        """How often each rating stands in the training data; None where the model does not carry it."""
        if self.carried.histograms is None or self.scale is None:
            return None
        bars = self.carried.histograms.get(item_id, ())
        return [HistogramBar(value=self.scale.rating(bar.value), count=bar.count) for bar in bars]

    @property
    def taste_column(self) -> str | None:
        return next((column.name for column in self.catalogue.columns if column.taste), None)


async def load(files: Files, model: str, version: int) -> Snapshot:
    """Reads a version's files.

    Raises:
      FilesError: one is missing or cannot be read.
    """
    needed = (contract.CATALOGUE, contract.POPULARITY, contract.INDEX_INFO)
    names = (*needed, contract.PUSHED, *carried_files.FILES)
    table, popularity, info, pushed, *more = await asyncio.gather(
        *(files.read(model, version, name) for name in names)
    )
    if table is None or popularity is None or info is None:
        raise FilesError(
            f"{model} version {version} carries no {contract.CATALOGUE}, {contract.POPULARITY} or "
            f"{contract.INDEX_INFO}: it was not pushed by this pipeline"
        )
    # Seconds for a million items: not on the event loop.
    return await asyncio.to_thread(_built, model, version, table, popularity, info, pushed, more)


def _built(
    model: str,
    version: int,
    table: bytes,
    popularity: bytes,
    info: bytes,
    pushed: bytes | None,
    more: Sequence[bytes | None],
) -> Snapshot:
    try:
        described = json.loads(info)
        items = _table(table)
        scale = _scale(described)
        catalogue = Catalogue(
            items,
            _columns(described, items),
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
    except (ValueError, KeyError, pa.ArrowException) as error:
        raise FilesError(f"{model} version {version}: its files cannot be read: {error}") from error


def _scale(info: Mapping[str, Any]) -> Scale | None:
    features = info.get("features", {})
    if features.get("feedback", "explicit") != "explicit":
        return None
    low, high = features.get("rating_scale", (contract.MIN_RATING, contract.MAX_RATING))
    in_stars = (low, high) == (contract.MIN_RATING, contract.MAX_RATING)
    step = 0.5 if in_stars else 1.0 if high - low >= 4 else (high - low) / 10
    return Scale(low=low, high=high, step=step)


def _table(content: bytes) -> pa.Table:
    return pq.ParquetFile(io.BytesIO(content)).read()


def _columns(info: Mapping[str, Any], table: pa.Table) -> list[Column]:
    return [
        Column(
            name=spec["name"],
            kind=spec["kind"],
            taste=spec.get("taste", False),
            # What weighs by TF-IDF has no values to filter by.
            filters=spec["kind"] != "text" and not spec.get("tfidf", False),
        )
        for spec in info.get("features", {}).get("item", ())
        if spec["name"] in table.column_names
    ]


def _shares(popularity: pa.Table, items: pa.Table) -> np.ndarray:
    """Shares in the catalogue's order."""
    shares = dict(zip(*(column.to_pylist() for column in popularity.columns), strict=True))
    return np.asarray([shares.get(id_, 0.0) for id_ in items.column(contract.ITEM_ID).to_pylist()])
