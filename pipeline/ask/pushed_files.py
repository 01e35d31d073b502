"""Which pushed version answers, and what its files say of it."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final

import contract
from components.common import storage
from components.common.features import Features, own
from components.pusher import versions
from pipeline.ask.titles import Item, TitleIndex
from pipeline.errors import InputError
from pipeline.terminal.typed import typed

if TYPE_CHECKING:
    from components.pusher.versions import Version

# Columns of the catalogue, beside the id, that people are shown of any item.
_SHOWN: Final = (contract.TITLE, contract.YEAR, contract.GENRES, contract.RATING_COUNT)


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
    def titles(self) -> TitleIndex:
        """The items that the model knows.

        Raises:
          InputError: the catalogue has other columns, as that of another version of Marquee.
        """
        catalogue = self._parquet(contract.CATALOGUE)
        if absent := sorted({contract.ITEM_ID, *_SHOWN} - set(catalogue.column_names)):
            raise InputError(
                f"{self._extra(contract.CATALOGUE)} has no column {', '.join(absent)}, only "
                f"{', '.join(catalogue.column_names)}: the model was pushed by an older version of Marquee; "
                f"run the pipeline again: {typed('run')}"
            )
        shown = [spec.name for spec in own(self.features.item) if spec.filters]
        rows = catalogue.to_pylist()
        with_years, with_genres = (
            any(row[name] for row in rows) for name in (contract.YEAR, contract.GENRES)
        )
        return TitleIndex(
            (
                Item(
                    _text(row[contract.ITEM_ID]),
                    _text(row[contract.TITLE]),
                    row[contract.YEAR] if with_years else None,
                    tuple(map(_text, row[contract.GENRES] or ())) if with_genres else None,
                    row[contract.RATING_COUNT],
                    tuple((name, tuple(row[name])) for name in shown),
                )
                for row in rows
            ),
            self.features.item_noun,
        )

    @functools.cached_property
    def features(self) -> Features:
        """What is known of items and users."""
        return Features.model_validate(self.info.get("features", {}))

    def popular(self, count: int) -> list[tuple[str, float]]:
        """Ids of the most rated items and their shares of the ratings, most rated first."""
        ids, shares = (
            column.to_pylist() for column in self._parquet(contract.POPULARITY).slice(0, count).columns
        )
        return list(zip(map(_text, ids), shares, strict=True))

    def places(self, count: int) -> list[tuple[str, float, float]]:
        """Ids of the most rated items and where the map has them; none of a model without one."""
        if not storage.exists(self._extra(contract.ITEM_MAP)):
            return []  # pushed before there was a map
        table = self._parquet(contract.ITEM_MAP).slice(0, count)
        columns = [
            table.column(name).to_pylist() for name in (contract.ITEM_ID, contract.MAP_X, contract.MAP_Y)
        ]
        return [(_text(item_id), x, y) for item_id, x, y in zip(*columns, strict=True)]

    @functools.cached_property
    def info(self) -> dict[str, Any]:
        value = json.loads(storage.read_text(self._extra(contract.INDEX_INFO)))
        assert isinstance(value, dict)
        return value

    def _parquet(self, name: str) -> Any:
        import pyarrow.parquet as pq

        # Not `read_table`: that is a data set's, which imports pandas.
        with storage.open_binary(self._extra(name), "rb") as file:
            return pq.ParquetFile(file).read()

    def _extra(self, name: str) -> str:
        return storage.join(self.path, contract.ASSETS_EXTRA, name)


def pushed_files(version: Version, model: str) -> PushedFiles:
    """Those of one of a version's two models."""
    path = version.path if model == contract.MODEL else version.path_exact
    assert path is not None, "choose() leaves out versions without the model"
    return PushedFiles(path)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
