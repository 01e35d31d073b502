"""A model that can be asked one request at a time, and what its pushed files say of it."""

from __future__ import annotations

import abc
import functools
import json
import re
from typing import TYPE_CHECKING, Any

import contract
from components.common import storage
from components.common.features import Features, own
from components.pusher import versions
from pipeline.ask.titles import IdsOnly, Item, Titles
from pipeline.errors import InputError
from pipeline.terminal.typed import typed

if TYPE_CHECKING:
    import numpy as np

    from components.pusher.versions import Version


def choose(destination: str, model: str, number: int | None) -> tuple[Version, str]:
    """The version of that number, or the newest that has the model.

    Returns:
      The version, and why it is not the newest of all; "" where it is, or was named.

    Raises:
      InputError: there is none; says which there are.
    """
    complete = versions.list_versions(destination)
    if not complete:
        raise InputError(
            f"no model has been pushed to {destination} yet; `{typed('run')}` trains and pushes one"
        )
    if number is not None:
        complete = [version for version in complete if version.number == number] or _none_of(number, complete)
    if model == contract.MODEL_EXACT:
        with_exact = [version for version in complete if version.path_exact]
        if not with_exact:
            raise InputError(
                f"version {complete[-1].number} in {destination} lacks {model}; try --model {contract.MODEL}"
            )
        chosen, newest = with_exact[-1], complete[-1]
        note = f"version {newest.number} lacks {model}, so version {chosen.number} answers"
        return chosen, "" if chosen is newest else note
    return complete[-1], ""


def _none_of(number: int, complete: list[Version]) -> list[Version]:
    known = ", ".join(str(version.number) for version in complete)
    raise InputError(f"no version {number} has been pushed; there are {known}")


class PushedFiles:
    """What lies beside a pushed model for people to read.

    Args:
      path: the SavedModel's folder.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    @functools.cached_property
    def titles(self) -> Titles:
        """The items that the model knows."""
        shown = [spec.name for spec in own(self.features.item) if spec.filters]
        return Titles(
            Item(
                item_id,
                _text(row[contract.TITLE]),
                row[contract.YEAR],
                tuple(map(_text, row[contract.GENRES] or ())),
                row[contract.RATING_COUNT],
                tuple((name, tuple(row[name])) for name in shown),
            )
            for item_id, row in self.items.items()
        )

    @functools.cached_property
    def items(self) -> dict[str, dict[str, Any]]:
        """The rows of the catalogue by id."""
        return {_text(row[contract.ITEM_ID]): row for row in self._parquet(contract.CATALOGUE).to_pylist()}

    @property
    def features(self) -> Features:
        """What is known of items and users."""
        return Features.model_validate(self.info.get("features", {}))

    @functools.cached_property
    def popular(self) -> list[tuple[str, float]]:
        """Every item's id and its share of the ratings, most popular first."""
        ids, shares = (column.to_pylist() for column in self._parquet(contract.POPULARITY).columns)
        return list(zip(map(_text, ids), shares, strict=True))

    @functools.cached_property
    def info(self) -> dict[str, Any]:
        value = json.loads(storage.read_text(self._extra(contract.INDEX_INFO)))
        assert isinstance(value, dict)
        return value

    def _parquet(self, name: str) -> Any:
        import pyarrow.parquet as pq

        with storage.open_binary(self._extra(name), "rb") as file:
            return pq.read_table(file)

    def _extra(self, name: str) -> str:
        return storage.join(self.path, contract.ASSETS_EXTRA, name)


class Servable(abc.ABC):
    """One version of a model.

    Args:
      model: contract.MODEL or contract.MODEL_EXACT.
      version: its number.
      run_id: the run that pushed it, "" if unknown.
      files: None where there are none on this machine; then ids stand for items.
    """

    def __init__(self, model: str, version: int, run_id: str, files: PushedFiles | None) -> None:
        self.model = model
        self.version = version
        self.run_id = run_id
        self.files = files

    @functools.cached_property
    def titles(self) -> Titles:
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
        """The words in which somebody's taste for this item would be said."""
        taste = next((spec.name for spec in self.features.item if spec.taste), None)
        if taste == contract.GENRES:
            return item.genres
        return tuple(map(str, dict(item.own).get(taste or "", ())))

    def limit(self, name: str) -> int | None:
        """How much a request may ask for: a knob of `components.index.params`; None if unknown."""
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
        outputs = self._ask(signature, contract.SIGNATURES[signature].filled([given]))
        return {name: value[0] for name, value in outputs.items()}

    @property
    @abc.abstractmethod
    def where(self) -> str:
        """The server's address, "" for a model in this process."""

    @abc.abstractmethod
    def _ask(self, signature: str, inputs: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        """The outputs for a batch of one."""

    def _refused(self, message: str) -> InputError:
        who = f"{self.model} at {self.where}" if self.where else self.model
        return InputError(f"{who} refused the request: {_rule(message)}")


class LoadedServable(Servable):
    """A pushed model in this process.

    Args:
      version: as `choose` gives it.
      model: contract.MODEL or contract.MODEL_EXACT.
    """

    def __init__(self, version: Version, model: str) -> None:
        super().__init__(
            model, version.number, str(version.record.get("run", "")), pushed_files(version, model)
        )

    @property
    def where(self) -> str:
        return ""

    def _ask(self, signature: str, inputs: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        import tensorflow as tf

        dtypes = {item.name: item.dtype for item in contract.SIGNATURES[signature].inputs}
        tensors = {name: tf.constant(value, dtypes[name]) for name, value in inputs.items()}
        try:
            outputs = self._loaded.signatures[signature](**tensors)
        except tf.errors.InvalidArgumentError as error:
            raise self._refused(error.message) from error
        return {name: value.numpy() for name, value in outputs.items()}

    @functools.cached_property
    def _loaded(self) -> Any:
        import tensorflow as tf

        if self.model == contract.MODEL:
            import scann  # noqa: F401  registers ScaNN's op
        assert self.files is not None
        return tf.saved_model.load(self.files.path)


def pushed_files(version: Version, model: str) -> PushedFiles:
    """Those of one of a version's two models."""
    path = version.path if model == contract.MODEL else version.path_exact
    assert path is not None, "choose() leaves out versions without the model"
    return PushedFiles(path)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _rule(message: str) -> str:
    """The words of the failed check: TensorFlow puts the graph's names around them."""
    found = re.search(r"assertion failed: (.*)", message)
    return re.sub(r"\[|\](?= |$)", "", found[1]).strip() if found else message.strip()
