"""What a version carries beside its catalogue: the items' map, histograms of ratings, users to look at."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

import contract
from serving.app.results import HistogramBar

# Of assets.extra; a version may lack any of them.
FILES = (contract.ITEM_MAP, contract.RATING_HISTOGRAMS, contract.SHOWN_USERS)


@dataclasses.dataclass(frozen=True)
class KnownEvent:
    """An event of the training data, or one that was held out.

    Attributes:
      rating: in stars; of a log without ratings the event's weight.
    """

    item_id: str
    rating: float
    time: int


@dataclasses.dataclass(frozen=True)
class KnownUser:
    """A user of the training data; both lists are oldest first."""

    id: str
    history: Sequence[KnownEvent]
    held_out: Sequence[KnownEvent]


@dataclasses.dataclass(frozen=True)
class Carried:
    """Attributes:
    places: item id, x, y, most rated first; nothing where the version has no map.
    histograms: bars by item id, in the order of their values; None where the version has none.
    users: by id; nothing where the operator of the pipeline asked for none.
    """

    places: Sequence[tuple[str, float, float]] = ()
    histograms: Mapping[str, Sequence[HistogramBar]] | None = None
    users: Mapping[str, KnownUser] = dataclasses.field(default_factory=dict)


def read(places: bytes | None, histograms: bytes | None, users: bytes | None) -> Carried:
    """The files in the order of FILES; None for one that the version lacks.

    Raises:
      ValueError, pyarrow.ArrowException: one cannot be read.
    """
    return Carried(
        places=list(zip(*_columns(places, contract.ITEM_ID, contract.MAP_X, contract.MAP_Y), strict=True))
        if places
        else (),
        histograms=_histograms(histograms) if histograms else None,
        users=_users(users) if users else {},
    )


def _columns(content: bytes, *names: str) -> list[list[object]]:
    table = pq.ParquetFile(io.BytesIO(content)).read()
    implicit = contract.HISTORY_WEIGHTS in table.column_names
    return [_texts(table.column(contract.of_feedback(name, implicit))) for name in names]


def _texts(column: pa.ChunkedArray) -> list[object]:
    """Values; ids are text here, whether they were written as text or as bytes."""
    return [_text(value) for value in column.to_pylist()]


def _text(value: object) -> object:
    if isinstance(value, list):
        return [_text(one) for one in value]
    return value.decode() if isinstance(value, bytes) else value


def _histograms(content: bytes) -> dict[str, list[HistogramBar]]:
    found: dict[str, list[HistogramBar]] = {}
    names = (contract.ITEM_ID, contract.HISTOGRAM_VALUE, contract.HISTOGRAM_COUNT)
    for item, value, count in zip(*_columns(content, *names), strict=True):
        found.setdefault(str(item), []).append(HistogramBar(value=value, count=count))
    return found


def _users(content: bytes) -> dict[str, KnownUser]:
    names = (contract.USER_ID, *contract.HISTORY_FEATURES, *contract.TARGET_FEATURES)
    found = {}
    for id_, *lists in zip(*_columns(content, *names), strict=True):
        history, held_out = (
            [KnownEvent(*event) for event in zip(*part, strict=True)] for part in (lists[:3], lists[3:])
        )
        found[str(id_)] = KnownUser(str(id_), history, held_out)
    return found
