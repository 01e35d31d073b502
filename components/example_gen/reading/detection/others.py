"""Files that are no table at all, known by how they begin, each with what to do."""

from __future__ import annotations

import re
from typing import Final

from components.example_gen.errors import DataError
from components.example_gen.reading.places import Place

_TAR: Final = (257, b"ustar")
_EXPORT: Final = "export its table as CSV or Parquet"
_SAVE: Final = "save its table as CSV or Parquet, with what wrote it"
# In bytes, what a file begins with -> what it is, and what to do.
_SIGNATURES: Final = {
    b"SQLite format 3\0": ("an SQLite database", _EXPORT),
    b"\x89HDF\r\n": ("an HDF5 file", _SAVE),
    b"ORC": ("an ORC file", _SAVE),
    b"Obj\x01": ("an Avro file", _SAVE),
    b"ARROW1": ("an Arrow file (Feather)", _SAVE),
    b"FEA1": ("a Feather file", _SAVE),
    b"\x93NUMPY": ("an array of NumPy", _SAVE),
    b"RDX": ("an R workspace", _SAVE),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it and name the file or the folder"),
    b"Rar!": ("a RAR archive", "unpack it and name the file or the folder"),
}
_PICKLE: Final = re.compile(rb"\x80[\x02-\x05][\x95c}\]\x8c(]", re.DOTALL)
_TEXTS: Final[tuple[tuple[re.Pattern[bytes], tuple[str, str]], ...]] = (
    (
        re.compile(rb"<!doctype html|<html", re.IGNORECASE),
        ("a web page", "download the data itself; a site may show a page instead to who is not signed in"),
    ),
    (re.compile(rb"<\?xml", re.IGNORECASE), ("XML", "save its records as CSV or JSON lines")),
    (
        re.compile(
            rb"(--[^\n]*\n|/\*[^\n]*\n|\s)*(create\s+table|insert\s+into|drop\s+table)\s", re.IGNORECASE
        ),
        ("a dump of SQL", f"load it into its database, and {_EXPORT}"),
    ),
)


def require_table(path: Place, start: bytes) -> None:
    """Stops at a file that is something else than a table.

    Args:
      start: its beginning, unpacked, 512 bytes or more where it has so many.

    Raises:
      DataError: saying what it is and what to do.
    """
    what: tuple[str, str] | None = None
    if start[_TAR[0] :].startswith(_TAR[1]):
        what = "a tar archive", "unpack it and name the file or the folder"
    elif _PICKLE.match(start):
        what = "a pickle of Python", _SAVE
    else:
        binary = any(byte < 9 for byte in start[:64])  # a header may begin with ORCID
        what = next((of for first, of in _SIGNATURES.items() if binary and start.startswith(first)), None)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    what = what or next((found for pattern, found in _TEXTS if pattern.match(text)), None)
    if what is not None:
        raise DataError(path.name, f"is {what[0]}, expected a table: {what[1]}")
