"""Items: search, details, similar, popular and new ones."""

from __future__ import annotations

import hashlib
import itertools
import json

import numpy as np

import contract
from serving.app.catalogue import filters
from serving.app.errors import BadRequestError, NotFoundError
from serving.app.link.calls import Calls, ModelGoneError, VersionGoneError
from serving.app.link.snapshot import Snapshot
from serving.app.link.versions import Versions
from serving.app.results import Facet, Found, ItemDetails, ItemList, Recommended, Wishes
from serving.app.services import fallback
from serving.app.store import cursors

# Values of a column that a page of results counts.
_FACETS = 20
# Most frequent values of a column that are counted at all: a shop has thousands of brands.
_COUNTED = 10 * _FACETS


class ItemService:
    """Args: as those of `RecommendationService`."""

    def __init__(self, calls: Calls, versions: Versions, timeout_s: float) -> None:
        self._calls = calls
        self._versions = versions
        self._timeout_s = timeout_s

    def search(self, query: str, wishes: Wishes, limit: int, cursor: str | None = None) -> Found:
        """Items by title; without a query all that meet the filters, most popular first.

        Args:
          query: words, the last of which may be unfinished; typos and accents are forgiven.
          wishes: filters and exclusions; the rest plays no part.
          limit: items on the page.
          cursor: `next` of the page before.

        Raises:
          BadRequestError: a condition or a cursor that cannot be.
          NotReadyError: no version has been seen yet.
        """
        digest = _digest(query, wishes)
        snapshot, start = self._versions.current(), 0
        if cursor:
            version, at, asked = cursors.read(cursor, int, int, str)
            found = self._versions.of(int(version))
            if found is None:
                raise BadRequestError("cursor", "the catalogue has changed since that page; search again")
            if asked != digest or int(at) < 0:
                raise BadRequestError(
                    "cursor", "the cursor is of another search; give the same query and filters"
                )
            snapshot, start = found, int(at)
        catalogue = snapshot.catalogue
        if query.strip():
            rows, corrected = snapshot.search.find(query)
        else:
            rows, corrected = np.arange(len(catalogue)), {}
        rows = rows[filters.matching(catalogue, wishes)[rows]]
        if wishes.exclude:
            hidden = set(wishes.exclude)
            rows = np.asarray([row for row in rows.tolist() if catalogue.ids[row] not in hidden], np.int64)
        end = start + limit
        return Found(
            items=[catalogue.item(row) for row in rows[start:end].tolist()],
            next=cursors.write(snapshot.version, end, digest) if end < len(rows) else None,
            total=len(rows),
            facets=_facets(snapshot, rows),
            corrected=corrected,
            version=snapshot.version,
        )

    def get(self, item_id: str) -> ItemDetails:
        """Raises NotFoundError, NotReadyError."""
        snapshot = self._versions.current()
        fields = snapshot.catalogue.fields(_row(snapshot, item_id))
        return ItemDetails(**fields, histogram=snapshot.histogram(item_id), version=snapshot.version)

    async def similar(self, item_id: str, k: int) -> ItemList:
        """The nearest items; where the model does not answer, popular ones of the same taste.

        Raises:
          NotFoundError: this version knows no such item.
          BadRequestError: k is above the model's limit.
        """
        snapshot = self._versions.current()
        _row(snapshot, item_id)
        if k > (most := snapshot.limit("max_k")):
            raise BadRequestError("k", f"k is at most {most} with this model, got {k}")
        try:
            try:
                return await self._similar(snapshot, item_id, k)
            except VersionGoneError:
                await self._versions.look()
                snapshot = self._versions.current()
                _row(snapshot, item_id)
                return await self._similar(snapshot, item_id, k)
        except (ModelGoneError, VersionGoneError) as gone:
            items = fallback.popular(snapshot, Wishes(k=k, where=_alike(snapshot, item_id)), {item_id})
            reason = str(gone) or "the model server is changing versions"
            return ItemList(items=items, source="popular", reason=reason, version=snapshot.version)

    def popular(self, wishes: Wishes) -> ItemList:
        """The most popular items that meet the filters."""
        snapshot = self._versions.current()
        items = fallback.popular(snapshot, wishes, set(wishes.exclude))
        return ItemList(items=items, source="popular", version=snapshot.version)

    def new(self, wishes: Wishes) -> ItemList:
        """The newest items that meet the filters: by year, without years the least seen in training."""
        snapshot = self._versions.current()
        catalogue, mask = snapshot.catalogue, filters.matching(snapshot.catalogue, wishes)
        hidden = set(wishes.exclude)
        rows = [
            row
            for row in catalogue.newest[mask[catalogue.newest]].tolist()
            if catalogue.ids[row] not in hidden
        ]
        return ItemList(
            items=[
                Recommended(**catalogue.fields(row), score=float(catalogue.popularity[row]))
                for row in rows[: wishes.k]
            ],
            source="popular",
            version=snapshot.version,
        )

    async def _similar(self, snapshot: Snapshot, item_id: str, k: int) -> ItemList:
        ranking = await self._calls.run(
            contract.SIMILAR,
            lambda client: client.similar(
                item_id, k, **self._calls.options(snapshot.version, self._timeout_s)
            ),
        )
        rows = ((snapshot.catalogue.row(item.item_id), item.score) for item in ranking)
        items = [
            Recommended(**snapshot.catalogue.fields(row), score=score)
            for row, score in rows
            if row is not None
        ]
        return ItemList(items=items, source="model", version=snapshot.version)


def _row(snapshot: Snapshot, item_id: str) -> int:
    row = snapshot.catalogue.row(item_id)
    if row is None:
        raise NotFoundError(
            f'version {snapshot.version} of the model knows no {snapshot.item_noun} "{item_id}"'
        )
    return row


def _alike(snapshot: Snapshot, item_id: str) -> list[str]:
    """Conditions that let items through which share the item's first taste."""
    column = snapshot.taste_column
    row = snapshot.catalogue.row(item_id)
    if column is None or row is None:
        return []
    return [f"{column}={value}" for value in snapshot.catalogue.values_of(column, row)[:1]]


def _facets(snapshot: Snapshot, rows: np.ndarray) -> dict[str, list[Facet]]:
    catalogue = snapshot.catalogue
    facets = {}
    inside = np.zeros(len(catalogue), bool)
    inside[rows] = True
    for name, values in catalogue.values.items():
        counts = [(value, int(inside[at].sum())) for value, at in itertools.islice(values.items(), _COUNTED)]
        counts = sorted((pair for pair in counts if pair[1]), key=lambda pair: -pair[1])[:_FACETS]
        facets[name] = [Facet(value=value, count=count) for value, count in counts]
    return facets


def _digest(query: str, wishes: Wishes) -> str:
    asked = [query, wishes.genres, wishes.year_min, wishes.year_max, wishes.where, sorted(wishes.exclude)]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
