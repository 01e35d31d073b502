"""MovieLens in every edition, fetched from GroupLens: resumed where it broke off, and checked."""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from datasets import folder
from datasets.movielens import archive, fetch
from datasets.movielens.archive import FetchError

BASE: Final = "https://files.grouplens.org/datasets/movielens/"
_CHUNK_BYTES: Final = 1 << 18
_TRIES: Final = 5

Report = Callable[[int, int | None], None]


@dataclasses.dataclass(frozen=True)
class Edition:
    """One published data set.

    Attributes:
      name: as `marquee data fetch` takes it.
      archive: name of the zip file.
      required: files that the reader needs.
      optional: what is kept beside them where the archive has it.
      md5: of the archive, as GroupLens publishes it beside it; "" where the archive
        is made anew from time to time, and `checksums` are compared instead.
      checksums: SHA-256 by file.
      licence: of the data, in a sentence.
    """

    name: str
    archive: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    md5: str = ""
    checksums: Mapping[str, str] = dataclasses.field(default_factory=dict)
    licence: str = fetch.LICENCE_NOTE


def _csv(name: str, md5: str) -> Edition:
    required, optional = ("ratings.csv", "movies.csv", "tags.csv"), ("links.csv", "README.txt")
    return Edition(name, f"ml-{name}.zip", required, optional, md5)


EDITIONS: Final = {
    edition.name: edition
    for edition in (
        Edition(
            "latest-small",
            "ml-latest-small.zip",
            tuple(fetch.CHECKSUMS),
            (),
            checksums=fetch.CHECKSUMS,
        ),
        Edition(
            "100k",
            "ml-100k.zip",
            ("u.data", "u.item"),
            ("u.user", "u.genre", "README"),
            "0e33842e24a9c977be4e0107933c0723",
        ),
        Edition(
            "1m",
            "ml-1m.zip",
            ("ratings.dat", "movies.dat"),
            ("users.dat", "README"),
            "c4d9eecfca2ab87c1945afe126590906",
        ),
        Edition(
            "10m",
            "ml-10m.zip",
            ("ratings.dat", "movies.dat", "tags.dat"),
            ("README.html",),
            "ce571fd55effeba0271552578f2648bd",
        ),
        _csv("20m", "cd245b17a1ae2cc31bb14903e1204af3"),
        _csv("25m", "6b51fb2759a8657d3bfcbfc42b592ada"),
        _csv("32m", "d472be332d4daa821edc399621853b57"),
    )
}


def fetch_edition(
    edition: Edition, destination: Path, report: Report, base: str = BASE, timeout_s: float = 30.0
) -> Path:
    """Downloads an edition's archive and unpacks it into the folder `destination`.

    What has come of the archive stays beside the folder until it is whole, and a
    second call goes on from there. The folder appears at once and whole.

    Args:
      report: told (bytes so far, bytes in all or None) as they come.
      base: address of the folder that holds the archive.
      timeout_s: seconds without an answer after which a try is given up.

    Raises:
      FetchError: saying what to do.
    """
    if destination.exists():
        if all((destination / name).is_file() for name in edition.required):
            return destination
        if not destination.is_dir() or any(destination.iterdir()):
            raise FetchError(f"{destination} exists and is not this data; remove it or choose another folder")
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.parent / f".{destination.name}.{edition.archive}.part"
    _download(base.rstrip("/") + "/" + edition.archive, part, report, timeout_s)
    if edition.md5 and (found := _md5(part)) != edition.md5:
        part.unlink()
        raise FetchError(
            f"{edition.archive} has MD5 {found}, expected {edition.md5}: it was altered on the way, or is "
            "another release; try again, or download it by hand and give its folder"
        )
    try:
        with folder.whole(destination) as new:
            archive.extract(part, new, edition.required, edition.optional, edition.checksums)
    finally:
        # Whole but wrong would be found wrong again.
        part.unlink()
    return destination


def _download(url: str, part: Path, report: Report, timeout_s: float) -> None:
    """Brings `part` to the length of what lies at `url`, in a few tries."""
    for attempt in range(1, _TRIES + 1):
        before = part.stat().st_size if part.exists() else 0
        try:
            if _try(url, part, before, report, timeout_s):
                return
            reason = "the connection broke off"
        except urllib.error.HTTPError as error:
            reason = f"HTTP status {error.code} ({error.reason})"
            if error.code < 500:
                raise FetchError(f"{url} cannot be fetched: {reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(getattr(error, "reason", "") or error) or type(error).__name__
        # Something came: that does not count as a failed try.
        if attempt == _TRIES or (part.stat().st_size if part.exists() else 0) == before:
            break
    size = part.stat().st_size if part.exists() else 0
    kept = f"; {size:,} bytes are kept, and the same command goes on from there" if size else ""
    raise FetchError(f"{url} cannot be fetched: {reason}{kept}")


def _try(url: str, part: Path, have: int, report: Report, timeout_s: float) -> bool:
    """One connection; whether the file is whole after it."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        # Nothing is behind what is there already.
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return error.headers.get("Content-Range", "") == f"bytes */{have}" or _again(part)
        raise
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        with part.open("ab" if resumed else "wb") as file:
            report(have, total)
            while chunk := response.read1(_CHUNK_BYTES):
                file.write(chunk)
                have += len(chunk)
                report(have, total)
    return total is None or have == total


def _again(part: Path) -> bool:
    """What is there is no beginning of what there is to fetch."""
    part.unlink()
    return False


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
