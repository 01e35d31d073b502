"""Lists for when the model does not answer: a person's last good one, else the popular one."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Collection, Sequence

import numpy as np

from serving.app.catalogue import filters
from serving.app.link.snapshot import Snapshot
from serving.app.results import Recommended, Wishes

# People whose last list is kept; some kilobytes each.
_KEPT = 20_000


@dataclasses.dataclass(frozen=True)
class LastList:
    version: int
    items: Sequence[Recommended]


class LastLists:
    """Each person's last good list, in this process alone; the longest unused go first."""

    def __init__(self, size: int = _KEPT) -> None:
        self._size = size
        self._lists: OrderedDict[str, LastList] = OrderedDict()

    def keep(self, person: str, version: int, items: Sequence[Recommended]) -> None:
        self._lists[person] = LastList(version, tuple(items))
        self._lists.move_to_end(person)
        while len(self._lists) > self._size:
            self._lists.popitem(last=False)

    def forget(self, person: str) -> None:
        self._lists.pop(person, None)

    def get(
        self, person: str, snapshot: Snapshot, wishes: Wishes, excluded: Collection[str]
    ) -> list[Recommended] | None:
        """What of the person's list still meets the wishes; None where that is less than half of k.

        A list of another version than `snapshot` is passed over: an answer is of one version.
        """
        last = self._lists.get(person)
        if last is None or last.version != snapshot.version:
            return None
        mask = filters.matching(snapshot.catalogue, wishes)
        found = [item for item in last.items if item.id not in excluded and _holds(mask, snapshot, item.id)]
        return found[: wishes.k] if len(found) * 2 >= wishes.k else None


def popular(snapshot: Snapshot, wishes: Wishes, excluded: Collection[str]) -> list[Recommended]:
    """The most popular items that meet the wishes; a score is the share of the training events."""
    catalogue = snapshot.catalogue
    mask = filters.matching(catalogue, wishes)
    found = []
    for row in mask.nonzero()[0].tolist():
        if catalogue.ids[row] not in excluded:
            found.append(Recommended(**catalogue.fields(row), score=float(catalogue.popularity[row])))
            if len(found) == wishes.k:
                break
    return found


def _holds(mask: np.ndarray, snapshot: Snapshot, item_id: str) -> bool:
    row = snapshot.catalogue.row(item_id)
    return row is not None and bool(mask[row])
