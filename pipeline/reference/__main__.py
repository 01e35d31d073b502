"""`python -m pipeline.reference FOLDER [FILE]`: write every reference page, and the file of all keys."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.config.docs import documented_defaults
from pipeline.reference.pages import PAGES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.reference", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to write, such as docs/reference")
    parser.add_argument(
        "config", type=Path, metavar="FILE", nargs="?", help="pipeline/configs/reference.yaml"
    )
    args = parser.parse_args()
    folder: Path = args.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page())
        print(folder / name)
    if args.config:
        args.config.write_text(documented_defaults())
        print(args.config)


if __name__ == "__main__":
    main()
