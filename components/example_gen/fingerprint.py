"""Hash of the input files: an ExampleGen whose data changed under the same path must run again."""

from __future__ import annotations

import hashlib

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from components.example_gen.reading.places import Place


def fingerprint(path: Place | str, params: ExampleGenParams) -> str:
    """sha256 (hex) over the names, sizes and contents of the files that the reader uses.

    Files that are missing are left out: whether they may be is the reader's business.

    Raises:
      DataError: there is no known layout at `path` (or several, as lines).
    """
    digest = hashlib.sha256()
    for file in layouts.detect(path, params).files:
        if not file.is_file():
            continue
        # The size before the content keeps two files from reading as one.
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
