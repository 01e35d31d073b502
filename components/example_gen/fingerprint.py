"""Hash of the input files: an ExampleGen whose data changed under the same path must run again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from components.example_gen import movielens


def fingerprint(folder: Path | str) -> str:
    """sha256 (hex) over the names, sizes and contents of the files that the reader uses.

    Files that are missing are left out: whether they may be is the reader's business.
    """
    digest = hashlib.sha256()
    for name in movielens.FILES:
        path = Path(folder) / name
        if not path.is_file():
            continue
        # The size before the content keeps two files from reading as one.
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
