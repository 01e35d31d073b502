"""A model that answers one request at a time, wherever it is."""

from __future__ import annotations

import abc
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import contract
from components.common.features import Features
from pipeline.ask.titles import IdsOnly, Item, TitleIndex
from pipeline.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from pipeline.ask.pushed_files import PushedFiles


class Servable(abc.ABC):
    """One version of a model.

    Args:
      model: contract.MODEL or contract.MODEL_EXACT.
      version: its number.
      run_id: the run that pushed it, "" if unknown.
      files: None where there are none on this machine; then ids stand for titles.
    """

    def __init__(self, model: str, version: int, run_id: str, files: PushedFiles | None) -> None:
        self.model = model
        self.version = version
        self.run_id = run_id
        self.files = files

    @functools.cached_property
    def titles(self) -> TitleIndex:
        """The items that this model knows."""
        return self.files.titles if self.files else IdsOnly()

    def item(self, item_id: str) -> Item:
        return self.titles.by_id.get(item_id) or Item(item_id, f"id:{item_id}")

    @functools.cached_property
    def genres(self) -> list[str] | None:
        """Every genre of the catalogue, by name; None if there is no catalogue to look into."""
        if self.files is None:
            return None
        return sorted({genre for item in self.titles.by_id.values() for genre in item.genres or ()})

    @functools.cached_property
    def taste_words(self) -> list[str] | None:
        """What a taste can be in: genres, or the values of the data's own feature; None if unknown."""
        if self.files is None:
            return None
        return sorted({word for item in self.titles.by_id.values() for word in self.tastes_of(item)})

    def values_of(self, column: str) -> list[str] | None:
        """Every value of a column that has values, by name; None of another one, or if unknown."""
        kinds = {spec.name: spec.kind for spec in self.features.item if spec.filters}
        if self.files is None or kinds.get(column) not in ("categorical", "multi"):
            return None
        if column == contract.GENRES:
            return self.genres
        items = self.titles.by_id.values()
        return sorted({str(value) for item in items for value in dict(item.own).get(column, ())})

    @property
    def taste_name(self) -> str:
        """What such a word is called: genre, or the name of the data's own feature."""
        name = next((spec.name for spec in self.features.item if spec.taste), contract.GENRES)
        return "genre" if name == contract.GENRES else name

    def tastes_of(self, item: Item) -> tuple[str, ...]:
        """The words in which a taste for this item would be said."""
        taste = next((spec.name for spec in self.features.item if spec.taste), None)
        if taste == contract.GENRES:
            return item.genres or ()
        return tuple(map(str, dict(item.own).get(taste or "", ())))

    def limit(self, name: str) -> int | None:
        """A limit on requests, a key of `components.index.params`; None if unknown."""
        return int(self.files.info["params"][name]) if self.files else None

    @property
    def known_users(self) -> int | None:
        """How many users' histories the model carries; None if unknown."""
        return int(self.files.info["known_users"]) if self.files else None

    @property
    def noun(self) -> str:
        """What an item is called."""
        return self.features.item_noun

    @property
    def features(self) -> Features:
        """What the model knows of items and users; MovieLens's where that is not at hand."""
        return self.files.features if self.files else Features()

    def ask(self, signature: str, **given: Any) -> dict[str, np.ndarray]:
        """Answers one request.

        Args:
          signature: a name of contract.SIGNATURES.
          **given: a list for an input with columns, a single value for one
            without; what is left out is neutral.

        Returns:
          The row of each output: [K] or [M] or [M, EXPLAIN_WIDTH].

        Raises:
          InputError: the model refused the request; its own words.
        """
        return {name: value[0] for name, value in self.ask_all(signature, [given]).items()}

    def ask_all(self, signature: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """The outputs for B requests in one batch: [B, K] or [B, M] or [B, M, EXPLAIN_WIDTH]."""
        if self.features.implicit:
            rows = [_weighted(row) for row in rows]
        return self._ask(signature, contract.signatures(self.features.implicit)[signature].filled(rows))

    @property
    @abc.abstractmethod
    def server(self) -> str:
        """The server's address, "" for a model in this process."""

    @abc.abstractmethod
    def _ask(self, signature: str, inputs: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        """The outputs for a batch."""

    def _refused(self, message: str) -> InputError:
        name = f"{self.model} at {self.server}" if self.server else self.model
        return InputError(f"{name} refused the request: {message}")


def _weighted(row: Mapping[str, Any]) -> dict[str, Any]:
    """A request with the weights that its ratings stand for: a log without ratings has these."""
    weighted = dict(row)
    if contract.HISTORY_RATINGS in weighted:
        ratings = weighted.pop(contract.HISTORY_RATINGS)
        weighted[contract.HISTORY_WEIGHTS] = [round(contract.weight_of_rating(r), 6) for r in ratings]
    return weighted
