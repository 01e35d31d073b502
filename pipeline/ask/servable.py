"""A model that answers one request at a time, wherever it is."""

from __future__ import annotations

import abc
import functools
import re
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
        return sorted({genre for item in self.titles.by_id.values() for genre in item.genres})

    @functools.cached_property
    def taste_words(self) -> list[str] | None:
        """What a taste can be in: genres, or the values of the data's own feature; None if unknown."""
        if self.files is None:
            return None
        return sorted({word for item in self.titles.by_id.values() for word in self.tastes_of(item)})

    def tastes_of(self, item: Item) -> tuple[str, ...]:
        """The words in which a taste for this item would be said."""
        taste = next((spec.name for spec in self.features.item if spec.taste), None)
        if taste == contract.GENRES:
            return item.genres
        return tuple(map(str, dict(item.own).get(taste or "", ())))

    def limit(self, name: str) -> int | None:
        """A limit on requests, a key of `components.index.params`; None if unknown."""
        return int(self.files.info["params"][name]) if self.files else None

    @property
    def known_users(self) -> int | None:
        """How many users' histories the model carries; None if unknown."""
        return int(self.files.info["known_users"]) if self.files else None

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
        return self._ask(signature, contract.SIGNATURES[signature].filled(rows))

    @property
    @abc.abstractmethod
    def server(self) -> str:
        """The server's address, "" for a model in this process."""

    @abc.abstractmethod
    def _ask(self, signature: str, inputs: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        """The outputs for a batch."""

    def _refused(self, message: str) -> InputError:
        name = f"{self.model} at {self.server}" if self.server else self.model
        return InputError(f"{name} refused the request: {_rule(message)}")


def _rule(message: str) -> str:
    """The words of the failed check: TensorFlow puts the graph's names around them."""
    found = re.search(r"assertion failed: (.*)", message)
    return re.sub(r"\[|\](?= |$)", "", found[1]).strip() if found else message.strip()
