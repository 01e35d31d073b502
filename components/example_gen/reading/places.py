"""Where data lie: a local path, or a URL behind the part of `pathlib.Path` that readers use."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from components.common import storage

_BUFFER_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Stat:
    """Of `os.stat_result` what is asked for."""

    st_size: int


@dataclasses.dataclass(frozen=True, order=True)
class Remote:
    """A file or folder of an object store, such as s3://bucket/data, as TFX's file systems read it.

    Attributes:
      url: without a slash at the end.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Remote:
        return Remote(storage.join(self.url, name))

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name

    @property
    def suffixes(self) -> list[str]:
        return PurePosixPath(self.url).suffixes

    @property
    def parent(self) -> Remote:
        return Remote(self.url.rpartition("/")[0])

    def exists(self) -> bool:
        """Whether there is such a file or folder.

        Raises:
          OSError: nobody can tell: no such store, or it does not answer.
        """
        from tensorflow.errors import OpError  # 5 seconds, and only for URLs

        try:
            return storage.exists(self.url)
        except OpError as error:
            raise OSError(error.message) from error

    def is_dir(self) -> bool:
        return storage.is_folder(self.url)

    def is_file(self) -> bool:
        return self.exists() and not self.is_dir()

    def stat(self) -> Stat:
        return Stat(storage.size(self.url))

    def rglob(self, pattern: str) -> Iterator[Remote]:
        """All files below; `pattern` is "*"."""
        assert pattern == "*"
        for name in storage.list_files(self.url):
            yield self / name

    def resolve(self) -> Remote:
        return self

    def open(self, mode: str) -> IO[bytes]:
        """Opens for reading; `mode` is "rb"."""
        assert mode == "rb"
        return io.BufferedReader(_Raw(self.url), _BUFFER_BYTES)


Place = Path | Remote


def for_arrow(path: Place) -> Path | IO[bytes]:
    """What Arrow's readers take."""
    return path if isinstance(path, Path) else path.open("rb")


def place(given: Place | str) -> Place:
    """What a config or command line names."""
    if isinstance(given, str) and not storage.is_local(given):
        return Remote(given.rstrip("/"))
    return Path(given) if isinstance(given, str) else given


def places(given: Place | str) -> tuple[Place, ...]:
    """The same of several, as lines."""
    return tuple(map(place, given.split("\n"))) if isinstance(given, str) else (given,)


def absolute(given: str) -> Place:
    """The same from whichever folder it is asked for later."""
    found = place(given)
    return found.expanduser().absolute() if isinstance(found, Path) else found


class _Raw(io.RawIOBase):
    """TFX's files are none to Python: without `readinto`, and `seek` returns nothing."""

    def __init__(self, url: str) -> None:
        self._file = storage.open_binary(url, "rb")
        self._size = storage.size(url)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer)) if self._at < self._size else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = start + offset
        self._file.seek(min(self._at, self._size))
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
