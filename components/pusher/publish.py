"""Makes a new version visible to model servers, whole or not at all.

On a file system the models are staged in hidden folders beside the versions
(servers read numeric names only), then renamed: contract.MODEL_TESTED if there
is one, contract.MODEL_EXACT, then contract.MODEL, which carries PUSHED.json. On
an object store, where nothing can be renamed in one step, the files are copied
with saved_model.pb last, the ready signal of TensorFlow Serving, and PUSHED.json
after everything else.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import posixpath
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import contract
from components.common import storage
from components.pusher import claim as claims
from components.pusher import removal, versions
from components.pusher.versions import ORDER, SAVED_MODEL

INCOMING: Final = ".incoming-"


def publish(
    sources: Mapping[str, str],
    destination: str,
    record: Mapping[str, Any],
    now: float,
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> versions.Version:
    """Publishes the models under one new number.

    Args:
      sources: folder of the SavedModel by model name: contract.MODELS, and
        contract.MODEL_TESTED if another model than these was tested.
      destination: root of the served models, a path or an object store's URI.
      record: what PUSHED.json says beyond version, time and hashes.
      now: Unix time in seconds.
      beside: content by path of files that each model gets beside those of its source.

    Returns:
      The new version.

    Whatever ends a push that is not complete, its files and its claim go with it: the disk that was
    full has its room back.

    Raises:
      ValueError: a source holds no SavedModel.
    """
    sources = {model: sources[model] for model in ORDER if model in sources}
    for model, source in sources.items():
        if not storage.exists(storage.join(source, SAVED_MODEL)):
            raise ValueError(f"{source} holds no {SAVED_MODEL}: nothing to push as {model}.")
    claim = claims.acquire(destination, now)
    place = _publish_local if storage.is_local(destination) else _publish_remote
    try:
        full = place(sources, destination, claim, beside, {**record, **_stamp(claim.number, now)})
    except BaseException:
        remove_unfinished(destination, claim.number)
        raise
    finally:
        claim.release()
    return versions.Version(
        number=claim.number,
        path=versions.folder(destination, contract.MODEL, claim.number),
        path_exact=versions.folder(destination, contract.MODEL_EXACT, claim.number),
        path_tested=versions.folder(destination, contract.MODEL_TESTED, claim.number)
        if contract.MODEL_TESTED in sources
        else None,
        pinned=False,
        record=full,
    )


def remove_unfinished(destination: str, number: int) -> None:
    """Removes what a push that did not end has left, but not its claim."""
    if not versions.is_complete(destination, number):
        removal.delete(destination, number)
    for model in ORDER:
        storage.remove_tree(storage.join(destination, model, f"{INCOMING}{number}"))


def _stamp(number: int, now: float) -> dict[str, Any]:
    time = datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat(timespec="seconds")
    return {"version": number, "time": time}


def _publish_local(
    sources: Mapping[str, str],
    destination: str,
    claim: claims.Claim,
    beside: Mapping[str, bytes],
    record: dict[str, Any],
) -> dict[str, Any]:
    staged = {model: storage.join(destination, model, f"{INCOMING}{claim.number}") for model in sources}
    hashes = {model: _copy(source, staged[model], claim, beside) for model, source in sources.items()}
    record = {**record, "sha256": hashes}
    storage.write_text(storage.join(staged[contract.MODEL], contract.PUSHED), json.dumps(record, indent=1))
    for model, folder in staged.items():
        storage.sync_folder(folder)
        claim.keep()
        storage.rename_folder(folder, versions.folder(destination, model, claim.number))
    return record


def _publish_remote(
    sources: Mapping[str, str],
    destination: str,
    claim: claims.Claim,
    beside: Mapping[str, bytes],
    record: dict[str, Any],
) -> dict[str, Any]:
    hashes = {
        model: _copy(source, versions.folder(destination, model, claim.number), claim, beside)
        for model, source in sources.items()
    }
    record = {**record, "sha256": hashes}
    path = storage.join(versions.folder(destination, contract.MODEL, claim.number), contract.PUSHED)
    storage.write_text(path, json.dumps(record, indent=1))
    return record


def _copy(source: str, target: str, claim: claims.Claim, beside: Mapping[str, bytes]) -> dict[str, str]:
    """Copies a SavedModel and what goes beside it, saved_model.pb last; returns {relative path: SHA-256}."""
    hashes = {}
    for name, content in beside.items():
        path = storage.join(target, name)
        storage.make_folder(posixpath.dirname(path))
        with storage.open_binary(path, "wb") as stream:
            stream.write(content)
        hashes[name] = hashlib.sha256(content).hexdigest()
    for name in sorted(storage.list_files(source), key=lambda name: (name == SAVED_MODEL, name)):
        hashes[name] = storage.copy_file(storage.join(source, name), storage.join(target, name))
        claim.keep()
    return hashes
