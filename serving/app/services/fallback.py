"""Lists for when the model does not answer: a person's last good one, else the popular one."""

from __future__ import annotations

import dataclasses
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from serving.app.catalogue import filters
from serving.app.link.snapshot import Snapshot
from serving.app.results import Recommended, Wishes

# People whose last list is kept; some kilobytes each.
_KEPT = 20_000
# An erased person's list is forgotten at once by the process that erases; others keep it so long at most.
_KEPT_S = 3600.0


@dataclasses.dataclass(frozen=True)
class LastList:
    version: int
    boosts: Mapping[str, float]
    items: Sequence[Recommended]
    time: float  # of time.monotonic()


class LastLists:
    """Each person's last good list, of an hour at most, in this process alone; the oldest go first."""

    def __init__(self, size: int = _KEPT) -> None:
        self._size = size
        self._lists: OrderedDict[str, LastList] = OrderedDict()

    def keep(self, person: str, version: int, wishes: Wishes, items: Sequence[Recommended]) -> None:
        now = time.monotonic()
        self._lists[person] = LastList(version, wishes.boosts, tuple(items), now)
        self._lists.move_to_end(person)
        while len(self._lists) > self._size or self._is_old(next(iter(self._lists.values())), now):
            self._lists.popitem(last=False)

    def forget(self, person: str) -> None:
        self._lists.pop(person, None)

    def get(
        self, person: str, snapshot: Snapshot, wishes: Wishes, excluded: Collection[str]
    ) -> list[Recommended] | None:
        """What of the person's list still meets the wishes; None where that is less than half of k.

        A list of another version than `snapshot` is passed over: an answer is of one version. So is one of
        other boosts, whose scores and order are not those of this request.
        """
        last = self._lists.get(person)
        if last is None or self._is_old(last, time.monotonic()):
            return None
        if last.version != snapshot.version or last.boosts != wishes.boosts:
            return None
        mask = filters.matching(snapshot.catalogue, wishes)
        rows = ((item, snapshot.catalogue.row(item.id)) for item in last.items if item.id not in excluded)
        room = filters.Room(snapshot.catalogue, wishes.at_most)
        found = [item for item, row in rows if row is not None and mask[row] and room.takes(row)]
        return found[: wishes.k] if len(found) * 2 >= wishes.k else None

    @staticmethod
    def _is_old(last: LastList, now: float) -> bool:
        return now - last.time > _KEPT_S


def popular(snapshot: Snapshot, wishes: Wishes, excluded: Collection[str]) -> list[Recommended]:
    """The most popular items that meet the wishes; a score is the share of the training events.

    A boost counts as the model's popular list counts it: as a part of the largest share.
    """
    catalogue = snapshot.catalogue
    rows, scores = filters.matching(catalogue, wishes).nonzero()[0], catalogue.popularity
    if wishes.boosts:
        scores = scores.copy()
        for item_id, boost in wishes.boosts.items():
            if (at := catalogue.row(item_id)) is not None:
                scores[at] += boost * catalogue.popularity.max()
        rows = rows[np.argsort(-scores[rows], kind="stable")]
    room = filters.Room(catalogue, wishes.at_most)
    found = []
    for row in rows.tolist():
        if catalogue.ids[row] not in excluded and room.takes(row):
            found.append(Recommended(**catalogue.fields(row), score=float(scores[row])))
            if len(found) == wishes.k:
                break
    return found
