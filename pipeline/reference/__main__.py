"""`python -m pipeline.reference FOLDER`: write every reference page there."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.reference.pages import PAGES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.reference", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to write, such as docs/reference")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page())
        print(folder / name)


if __name__ == "__main__":
    main()
