"""Compressed files as what is in them; each is known by its first bytes, whatever its name is."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Final

import pyarrow as pa

from components.example_gen.errors import DataError
from components.example_gen.reading.places import Place

_SIGNATURES: Final = {
    "gzip": b"\x1f\x8b",
    "zip": b"PK\x03\x04",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
}
_LONGEST: Final = 6
# Members of a zip file that mark it as a sheet, and those that no log is in.
_SHEETS: Final = ("xl/workbook.xml", "xl/workbook.bin", "content.xml")
_NO_LOG: Final = ("__MACOSX/", ".DS_Store")
_DAMAGED: Final = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    NotImplementedError,  # a method that zipfile lacks
    pa.ArrowException,
    OSError,  # of gzip and bz2; that the file cannot be opened is told before
)


def first_bytes(path: Place, size: int = _LONGEST) -> bytes:
    """The first bytes of a file as they are.

    Raises:
      DataError: it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise DataError(path.name, f"cannot be opened: {error.strerror or error}") from error


def packing(path: Place) -> str | None:
    """Name of the compression, None if there is none; of a sheet, which is a zip file, none either.

    Raises:
      DataError: it cannot be opened.
    """
    start = first_bytes(path)
    found = next((name for name, first in _SIGNATURES.items() if start.startswith(first)), None)
    return None if found == "zip" and is_sheet(path) else found


def is_sheet(path: Place) -> bool:
    """Whether a zip file is a sheet of Excel or of OpenDocument."""
    with path.open("rb") as file, contextlib.suppress(zipfile.BadZipFile):
        return any(name in _SHEETS for name in zipfile.ZipFile(file).namelist())
    return False


class Unpacked:
    """A file's bytes, unpacked.

    Args:
      path: the file.
      file: it, opened.
      name: of its compression.
    """

    def __init__(self, path: Place, file: IO[bytes], name: str | None) -> None:
        self._path, self._name = path, name
        self._file = self._guarded(lambda: _opened(path, file, name))

    def read(self, size: int) -> bytes:
        """As a file does.

        Raises:
          DataError: the file is cut off or damaged.
        """
        return self._guarded(lambda: self._file.read(size))

    def seek(self, start: int) -> None:
        if start:
            self._file.seek(start)

    def _guarded(self, read):  # type: ignore[no-untyped-def]
        if self._name is None:
            return read()
        try:
            return read()
        except _DAMAGED as error:
            raise DataError(
                self._path.name,
                f"the {self._name} file is cut off or damaged ({error}); fetch it again",
            ) from error


@contextlib.contextmanager
def unpacked(path: Place) -> Iterator[Unpacked]:
    """Opens a file for reading what is in it.

    Raises:
      DataError: it cannot be opened, is cut off, or is an archive of several files.
    """
    name = packing(path)
    with path.open("rb") as file:
        yield Unpacked(path, file, name)


def _opened(path: Place, file: IO[bytes], name: str | None) -> IO[bytes]:
    match name:
        case "gzip":
            return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
        case "bzip2":
            return bz2.BZ2File(file)
        case "xz":
            return lzma.LZMAFile(file)
        case "zstd":
            return pa.CompressedInputStream(file, "zstd")
        case "zip":
            return _member(path, zipfile.ZipFile(file))
    return file


def _member(path: Place, archive: zipfile.ZipFile) -> IO[bytes]:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not any(part in member.filename for part in _NO_LOG)
    ]
    if len(members) != 1:
        names = ", ".join(member.filename for member in members[:5])
        raise DataError(
            path.name,
            f"is a zip archive of {len(members)} files ({names}), expected one; unpack it and name the "
            "folder",
        )
    if members[0].flag_bits & 1:
        raise DataError(path.name, "is a zip archive with a password; unpack it first")
    return archive.open(members[0])
