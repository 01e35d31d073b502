"""What comes back, out of the tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

import contract


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """An answer as it came.

    Attributes:
      outputs: arrays by name; strings are bytes.
      model: that answered.
      version: of that model. Over REST only known if the request names it by number:
        that protocol does not say.
      signature: that ran.
    """

    outputs: Mapping[str, np.ndarray]
    model: str
    version: int | None
    signature: str


@dataclasses.dataclass(frozen=True)
class Scored:
    """One item of a ranking."""

    item_id: str
    score: float


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Items, best first: fewer than `k` where the filters leave no more.

    Attributes:
      items: with their scores (cosine of query and item; for a popular one its share of the ratings).
      model, version: that answered, as in `Prediction`.
    """

    items: tuple[Scored, ...]
    model: str
    version: int | None

    def __iter__(self) -> Iterator[Scored]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def ids(self) -> list[str]:
        return [item.item_id for item in self.items]


@dataclasses.dataclass(frozen=True)
class Ratings:
    """Predicted stars.

    Attributes:
      stars: one per item of the request; None for one that the model does not know.
      model, version: that answered, as in `Prediction`.
    """

    stars: tuple[float | None, ...]
    model: str
    version: int | None


@dataclasses.dataclass(frozen=True)
class Reason:
    """An item of the history, and how much of a score it carries."""

    item_id: str
    weight: float


@dataclasses.dataclass(frozen=True)
class Explanations:
    """Why items are recommended.

    Attributes:
      reasons: for each item of the request those of the history that weigh most, heaviest first.
      model, version: that answered, as in `Prediction`.
    """

    reasons: tuple[tuple[Reason, ...], ...]
    model: str
    version: int | None


@dataclasses.dataclass(frozen=True)
class Catalogued:
    """Cells of the catalogue.

    Attributes:
      items: for each item of the request its values by column, as text: "" where nothing is known,
        and several values as `contract.cells.separated` reads them.
      model, version: that answered, as in `Prediction`.
    """

    items: tuple[Mapping[str, str], ...]
    model: str
    version: int | None


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """One version of a model on a server.

    Attributes:
      version: number.
      state: START, LOADING, AVAILABLE, UNLOADING or END.
      error_code: name of a canonical code, "OK" if nothing is wrong.
      error_message: why it is not available.
    """

    version: int
    state: str
    error_code: str
    error_message: str


def rankings(prediction: Prediction) -> list[Ranking]:
    ids, scores = prediction.outputs[contract.ITEM_IDS], prediction.outputs[contract.SCORES]
    return [
        Ranking(
            tuple(Scored(item_id, weight) for item_id, weight in _pairs(*row)),
            prediction.model,
            prediction.version,
        )
        for row in zip(ids, scores, strict=True)
    ]


def ratings(prediction: Prediction, counts: list[int]) -> list[Ratings]:
    """`counts`: how many items each request named; the rest of a row is padding."""
    # 0 stands for an item that the model does not know.
    rows = [
        tuple(float(value) or None for value in row[:count])
        for row, count in zip(prediction.outputs[contract.RATINGS], counts, strict=True)
    ]
    return [Ratings(row, prediction.model, prediction.version) for row in rows]


def explanations(prediction: Prediction, counts: list[int]) -> list[Explanations]:
    """`counts` as for `ratings`."""
    ids, weights = prediction.outputs[contract.HISTORY_ITEM_IDS], prediction.outputs[contract.WEIGHTS]
    return [
        Explanations(
            tuple(
                tuple(Reason(item_id, weight) for item_id, weight in _pairs(*item))
                for item in zip(row_ids[:count], row_weights[:count], strict=True)
            ),
            prediction.model,
            prediction.version,
        )
        for row_ids, row_weights, count in zip(ids, weights, counts, strict=True)
    ]


def catalogued(prediction: Prediction, count: int) -> Catalogued:
    """`count`: how many items the request named."""
    [columns], [values] = (prediction.outputs[name] for name in (contract.COLUMNS, contract.VALUES))
    names = [name.decode() for name in columns.tolist()]
    items = (dict(zip(names, map(bytes.decode, row), strict=True)) for row in values[:count].tolist())
    return Catalogued(tuple(items), prediction.model, prediction.version)


def _pairs(ids: np.ndarray, values: np.ndarray) -> Iterator[tuple[str, float]]:
    """Id and value, without the padding."""
    for value_id, value in zip(ids.tolist(), values.tolist(), strict=True):
        if value_id != contract.PAD_ID:
            yield value_id.decode(), value
