"""Downloads MovieLens's ml-latest-small from GroupLens, or says why it cannot."""

from __future__ import annotations

import hashlib
import http.client
import io
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from datasets import folder
from datasets.movielens import archive
from datasets.movielens.archive import FetchError

URL: Final = "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip"
# SHA-256 of the files of the release of September 2018, the one every figure of
# this project was measured on.
CHECKSUMS: Final = {
    "ratings.csv": "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646",
    "movies.csv": "5a5f32dd9bb3797b8e728a1b98958789d2b13f294a69fdfbc5727f8a9611aa07",
    "tags.csv": "92a9f8bb7916dceef6151209845788c3643f794dfa79d1feaec7121b5960399d",
    "links.csv": "97ad18e4e56a09363c65676b6cb3482ce3e2cea2372a24620c1599c843325f31",
    "README.txt": "63d22ac138e80fae37021797ed8e1b9424b5239dc576a137422adf783ae3f404",
}
LICENCE_NOTE: Final = (
    "MovieLens data by GroupLens: for research, no commercial use without their permission, "
    "no redistribution but under the same terms (README.txt beside the data)."
)
# The archive has 1 MB and unpacks to 3.3 MB; more than this is something else.
_MAX_BYTES: Final = 16 * 2**20
_CHUNK_BYTES: Final = 64 * 2**10

__all__ = ("CHECKSUMS", "LICENCE_NOTE", "URL", "FetchError", "fetch")


def fetch(
    destination: str | Path,
    timeout_s: float = 5.0,
    *,
    url: str = URL,
    checksums: Mapping[str, str] = CHECKSUMS,
) -> Path:
    """Fetches the archive, checks every file and puts them in the folder `destination`.

    The folder appears at once and whole, or not at all. One that already holds
    the right files is left as it is, and nothing is downloaded. The caller shows
    LICENCE_NOTE.

    Args:
      destination: the folder to make.
      timeout_s: seconds for the whole download, name look-up included.
      url: where the archive lies.
      checksums: file name -> SHA-256 in hex of every file wanted.

    Raises:
      FetchError: when unreachable, too slow, or other than expected; or when
        something else stands at `destination`.
    """
    destination = Path(destination)
    if destination.exists():
        if _is_complete(destination, checksums):
            return destination
        if not destination.is_dir() or any(destination.iterdir()):
            raise FetchError(f"{destination} exists and is not this data; remove it or choose another folder")
    packed = io.BytesIO(_download(url, timeout_s))
    with folder.whole(destination) as new:
        archive.extract(packed, new, tuple(checksums), checksums=checksums, max_bytes=_MAX_BYTES)
    return destination


def _is_complete(path: Path, checksums: Mapping[str, str]) -> bool:
    return all(
        (path / name).is_file() and hashlib.sha256((path / name).read_bytes()).hexdigest() == expected
        for name, expected in checksums.items()
    )


def _download(url: str, timeout_s: float) -> bytes:
    """The body of `url`.

    In a thread of its own: urllib's timeout is per read, and a name look-up has
    none, so neither bounds the whole.
    """
    answers: queue.SimpleQueue[bytes | FetchError] = queue.SimpleQueue()
    deadline = time.monotonic() + timeout_s

    def work() -> None:
        try:
            answers.put(_read(url, deadline))
        except FetchError as error:
            answers.put(error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            answers.put(FetchError(f"{url} cannot be reached: {_reason(error)}"))

    threading.Thread(target=work, name="fetch", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise _too_slow(url, timeout_s) from None
    if isinstance(answer, FetchError):
        # A read that ran into the deadline just before this thread did.
        raise _too_slow(url, timeout_s) if time.monotonic() >= deadline else answer
    return answer


def _read(url: str, deadline: float) -> bytes:
    body = io.BytesIO()
    with urllib.request.urlopen(url, timeout=_left(deadline)) as response:
        while chunk := response.read1(_CHUNK_BYTES):
            body.write(chunk)
            if body.tell() > _MAX_BYTES:
                raise FetchError(f"{url} is larger than {_MAX_BYTES:,} bytes: not the archive expected")
            _left(deadline)  # nobody waits for the rest any more
        # `read1` ends quietly where the connection broke off.
        if response.length:
            raise FetchError(f"{url} broke off {response.length:,} bytes before its end; try again")
    return body.getvalue()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("out of time")
    return left


def _too_slow(url: str, timeout_s: float) -> FetchError:
    return FetchError(f"{url} did not answer in full within {timeout_s:g} s; allow more seconds or try later")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code} ({error.reason})"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__
