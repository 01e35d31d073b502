"""Whether a version's files are those that the pipeline pushed: the SHA-256 sums of PUSHED.json."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path

import contract
from serving.model_server.versions import version_folders
from serving.protocol.errors import Code, StatusError

# The record comes with the last of a version's models: so long it may be on its way. Seconds.
_RECORD_COMES_WITHIN_S = 10.0
_LOOK_S = 0.25
# Written after the sums were taken.
_BESIDE = (contract.PUSHED, contract.PINNED)


def check(path: str) -> None:
    """Reads every file of a version; blocks.

    Args:
      path: folder of a version; its record lies there, or in that of the version's first model.

    Raises:
      StatusError: FAILED_PRECONDITION: there is no record, or a file is missing, another or not in it.
    """
    if version_folders.is_remote(path):
        raise _refused(path, "--require_pushed_hashes reads local folders only")
    expected = _expected(Path(path))
    found = {
        str(file.relative_to(path)): file
        for file in sorted(Path(path).rglob("*"))
        if not file.is_dir() and file.name not in _BESIDE
    }
    for name in sorted(found.keys() ^ expected.keys()):
        raise _refused(
            path,
            f"{name} is {'missing' if name in expected else f'not among the files in {contract.PUSHED}'}",
        )
    for name, file in found.items():
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != expected[name]:
            raise _refused(path, f"{name} has the SHA-256 {digest}, pushed was {expected[name]}")


def _expected(path: Path) -> Mapping[str, str]:
    """SHA-256 by relative path."""
    places = (path / contract.PUSHED, path.parent.parent / contract.MODEL / path.name / contract.PUSHED)
    deadline = time.monotonic() + _RECORD_COMES_WITHIN_S
    while not (record := next((place for place in places if place.is_file()), None)):
        if time.monotonic() > deadline:
            raise _refused(str(path), f"there is no {contract.PUSHED} that says which files were pushed")
        time.sleep(_LOOK_S)
    # A server may see the folder of one model alone, under any name: then it is the one with the record.
    model = contract.MODEL if record == places[0] else path.parent.name
    try:
        sums: Mapping[str, str] = json.loads(record.read_text())["sha256"][model]
    except (ValueError, KeyError, TypeError) as error:
        raise _refused(
            str(path), f"{record} has no sums of {model}: {type(error).__name__}: {error}"
        ) from error
    return sums


def _refused(path: str, reason: str) -> StatusError:
    return StatusError(Code.FAILED_PRECONDITION, f"{path} is not loaded: {reason}")
