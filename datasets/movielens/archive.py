"""The files wanted of a zip archive, each checked on its way to the disk."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

_CHUNK_BYTES = 1 << 20


class FetchError(RuntimeError):
    """The data could not be fetched; the text says why and what to do."""


def extract(
    archive: BinaryIO | Path,
    target: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    checksums: Mapping[str, str] | None = None,
    max_bytes: int = 16 * 2**30,
) -> None:
    """Writes files of the archive into the folder `target`, by their names without folders.

    Entries are taken by their exact names and written under names of our own, so
    a path in the archive (`../x`, `/x`) leads nowhere; such an archive is refused.

    Args:
      required, optional: names; the archive must have the former.
      checksums: SHA-256 in hex of some of them.
      max_bytes: what all of them may unpack to.

    Raises:
      FetchError: the archive is damaged or not the one expected.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _entries(opened, required, optional)
            if sum(entry.file_size for entry in entries.values()) > max_bytes:
                raise FetchError(
                    f"the archive unpacks to more than {max_bytes:,} bytes: not the one expected"
                )
            for name, entry in entries.items():
                found = _write(opened, entry, target / name)
                expected = (checksums or {}).get(name, found)
                if found != expected:
                    raise FetchError(
                        f"{name} has SHA-256 {found}, expected {expected}: GroupLens has published another "
                        "release, or something altered it on the way; download it by hand and give its folder"
                    )
    # zipfile lets through what zlib says; NotImplementedError: a compression it lacks.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise FetchError(f"the archive is damaged or no zip file ({error}); try again") from error


def _entries(
    archive: zipfile.ZipFile, required: Sequence[str], optional: Sequence[str]
) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise FetchError(f"the archive has an entry that points outside it: {entry.filename!r}")
        found.setdefault(path.name, entry)
    missing = [name for name in required if name not in found]
    if missing:
        raise FetchError(f"the archive lacks {', '.join(missing)}; it is not the release expected")
    return {name: found[name] for name in (*required, *optional) if name in found}


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> str:
    """Copies one entry; returns its SHA-256 in hex."""
    digest = hashlib.sha256()
    with archive.open(entry) as source, path.open("wb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()
