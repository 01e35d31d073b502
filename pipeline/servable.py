"""A pushed model, loaded into this process and asked one request at a time."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any

from components import contract, storage
from components.pusher import versions
from pipeline.errors import InputError
from pipeline.titles import Movie, Titles
from pipeline.typed import typed

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


class Servable:
    """One model of a version.

    Args:
      version: as `choose` gives it.
      model: contract.MODEL or contract.MODEL_EXACT.
    """

    def __init__(self, version: Version, model: str) -> None:
        self.model = model
        self.version = version.number
        self.record = version.record
        path = version.path if model == contract.MODEL else version.path_exact
        assert path is not None, "choose() leaves out versions without the model"
        self._path = path

    @functools.cached_property
    def titles(self) -> Titles:
        """The movies that this model knows."""
        table = self._parquet(contract.CATALOGUE)
        names = (contract.MOVIE_ID, contract.TITLE, contract.YEAR, contract.GENRES, contract.RATING_COUNT)
        rows = zip(*(table[name].to_pylist() for name in names), strict=True)
        return Titles(
            Movie(_text(movie_id), _text(title), year, tuple(map(_text, genres or ())), count)
            for movie_id, title, year, genres, count in rows
        )

    @functools.cached_property
    def popular(self) -> list[tuple[str, float]]:
        """Every movie's id and its share of the ratings, most popular first."""
        ids, shares = (column.to_pylist() for column in self._parquet(contract.POPULARITY).columns)
        return list(zip(map(_text, ids), shares, strict=True))

    def limit(self, name: str) -> int:
        """How much a request may ask for: a knob of `components.index.params` by name."""
        return int(self._info["params"][name])

    @property
    def known_users(self) -> int:
        """How many users' histories the model carries."""
        return int(self._info["known_users"])

    @functools.cached_property
    def genres(self) -> list[str]:
        """Every genre of the catalogue, by name."""
        return sorted({genre for movie in self.titles.by_id.values() for genre in movie.genres})

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
        import tensorflow as tf

        inputs = contract.SIGNATURES[signature].filled([given])
        dtypes = {item.name: item.dtype for item in contract.SIGNATURES[signature].inputs}
        tensors = {name: tf.constant(value, dtypes[name]) for name, value in inputs.items()}
        try:
            outputs = self._loaded.signatures[signature](**tensors)
        except tf.errors.InvalidArgumentError as error:
            raise InputError(f"{self.model} refused the request: {_rule(error.message)}") from error
        return {name: value.numpy()[0] for name, value in outputs.items()}

    @functools.cached_property
    def _info(self) -> dict[str, Any]:
        value = json.loads(storage.read_text(self._extra(contract.INDEX_INFO)))
        assert isinstance(value, dict)
        return value

    @functools.cached_property
    def _loaded(self) -> Any:
        import tensorflow as tf

        if self.model == contract.MODEL:
            import scann  # noqa: F401  registers ScaNN's op
        return tf.saved_model.load(self._path)

    def _parquet(self, name: str) -> Any:
        import pyarrow.parquet as pq

        with storage.open_binary(self._extra(name), "rb") as file:
            return pq.read_table(file)

    def _extra(self, name: str) -> str:
        return storage.join(self._path, contract.ASSETS_EXTRA, name)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _rule(message: str) -> str:
    """The words of the failed check: TensorFlow puts the graph's names around them."""
    found = re.search(r"assertion failed: (.*)", message)
    return re.sub(r"\[|\](?= |$)", "", found[1]).strip() if found else message.strip()
