"""What has been pushed: the folders that model servers read.

    <destination>/marquee/<version>/         SavedModel and PUSHED.json
    <destination>/marquee-exact/<version>/   SavedModel
    <destination>/marquee-tested/<version>/  SavedModel, after a final fit on all events

A version counts once PUSHED.json lies beside saved_model.pb in the first
folder: it is the last thing that a push makes visible. Servers are not told of
the third. Light enough for the
command line: local destinations need the standard library alone.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import Any, Final

import contract
from components.common import storage

SAVED_MODEL: Final = "saved_model.pb"
# Folders of a version in the order in which they become visible: the record comes with the last.
ORDER: Final = (contract.MODEL_TESTED, contract.MODEL_EXACT, contract.MODEL)
# Properties of artifacts beside contract.VERSION_PROPERTY; the first two as TFX's own pusher names them.
PUSHED_PROPERTY: Final = "pushed"
DESTINATION_PROPERTY: Final = "pushed_destination"
# Of a baseline: the model that is compared with it.
CANDIDATE_PROPERTY: Final = "candidate"

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Version:
    """One complete pushed version.

    Attributes:
      number: the version, seconds since 1970 unless two pushes met.
      path: folder of contract.MODEL.
      path_exact: folder of contract.MODEL_EXACT, None if it is gone.
      path_tested: folder of contract.MODEL_TESTED, None if it is gone or there never was one.
      pinned: retention leaves it alone.
      record: content of PUSHED.json (`publish.publish`).
    """

    number: int
    path: str
    path_exact: str | None
    path_tested: str | None
    pinned: bool
    record: dict[str, Any]

    @property
    def unseen(self) -> str | None:
        """Folder of the model of this version that has not seen the test split, None if it is gone.

        What a later candidate can be compared with, or start from, and still be
        measured honestly.
        """
        return self.path_tested if self.record.get(contract.FINAL_FIT) == contract.ALL else self.path

    @property
    def fitted_for(self) -> int:
        """The version that this one's towers were fitted for: itself, unless it is a refresh."""
        return int(self.record.get(contract.REFRESHES, self.number))


def fitted(destination: str, version: Version) -> Version:
    """The version for which this one's towers were fitted; itself where that is gone."""
    return next((one for one in list_versions(destination) if one.number == version.fitted_for), version)


def folder(destination: str, model: str, number: int) -> str:
    return storage.join(destination, model, str(number))


def numbers(destination: str, model: str) -> list[int]:
    """Every version folder of a model, complete or not, ascending."""
    names = storage.list_names(storage.join(destination, model))
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def is_complete(destination: str, number: int) -> bool:
    path = folder(destination, contract.MODEL, number)
    return all(storage.exists(storage.join(path, name)) for name in (contract.PUSHED, SAVED_MODEL))


def has_both_models(destination: str, number: int) -> bool:
    """Complete, and with what a server of contract.MODEL_EXACT loads."""
    return is_complete(destination, number) and bool(_existing(destination, contract.MODEL_EXACT, number))


def is_pinned(destination: str, number: int) -> bool:
    """Pinned in any model's folder."""
    return any(
        storage.exists(storage.join(folder(destination, model, number), contract.PINNED)) for model in ORDER
    )


def pin(destination: str, number: int) -> None:
    """Keeps a version from retention: a file contract.PINNED in the folder of each of its models.

    Raises:
      KeyError: it is not there, or is deleted at this moment.
    """
    if not is_complete(destination, number):
        raise KeyError(number)
    for model in _models_of(destination, number):
        path = storage.join(folder(destination, model, number), contract.PINNED)
        try:
            # Never with the folders above: what retention renames away must not come back.
            with storage.open_binary(path, "wb") as stream:
                stream.write(b"")
        except FileNotFoundError:
            raise KeyError(number) from None
    if not is_complete(destination, number):
        raise KeyError(number)


def unpin(destination: str, number: int) -> None:
    """Takes the pin away; that of a version without one, too."""
    for model in _models_of(destination, number):
        storage.remove_file(storage.join(folder(destination, model, number), contract.PINNED))


def _models_of(destination: str, number: int) -> list[str]:
    return [model for model in ORDER if storage.exists(folder(destination, model, number))]


def list_versions(destination: str) -> list[Version]:
    """Complete versions, oldest first. An incomplete one is left out and logged.

    Raises:
      ValueError: a PUSHED.json is not JSON.
    """
    versions = []
    for number in numbers(destination, contract.MODEL):
        path = folder(destination, contract.MODEL, number)
        if not is_complete(destination, number):
            _log.warning("%s is skipped: it lacks %s or %s.", path, contract.PUSHED, SAVED_MODEL)
            continue
        versions.append(
            Version(
                number=number,
                path=path,
                path_exact=_existing(destination, contract.MODEL_EXACT, number),
                path_tested=_existing(destination, contract.MODEL_TESTED, number),
                pinned=is_pinned(destination, number),
                record=_record(storage.join(path, contract.PUSHED)),
            )
        )
    return versions


def latest(destination: str) -> Version | None:
    """The newest complete version, None if nothing was pushed."""
    versions = list_versions(destination)
    return versions[-1] if versions else None


def _existing(destination: str, model: str, number: int) -> str | None:
    path = folder(destination, model, number)
    return path if storage.exists(storage.join(path, SAVED_MODEL)) else None


def _record(path: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(storage.read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON ({error}); remove this version's folder.") from error
    return record


def item_ids(model_dir: str) -> list[str]:
    """The items of a pushed model, from the catalogue that it carries."""
    import pyarrow.parquet as pq

    path = storage.join(model_dir, contract.ASSETS_EXTRA, contract.CATALOGUE)
    with storage.open_binary(path, "rb") as file:
        ids: list[str] = pq.ParquetFile(file).read([contract.ITEM_ID])[contract.ITEM_ID].to_pylist()
    return ids
