from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tools.house.figures import Figure, figures
from tools.house.sources import ROOT

_SHOWN = 5  # offenders of a figure in the table; the JSON has them all


def main(arguments: list[str] | None = None) -> int:
    """0: every bound holds; 1: one is broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.house", description="The source tree in figures, each against its bound."
    )
    parser.add_argument("--quick", action="store_true", help="only what a commit may not break")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "artifacts" / "house.json", help="default: artifacts/house.json"
    )
    parser.add_argument("--quiet", action="store_true", help="print broken bounds only")
    options = parser.parse_args(arguments)
    found = figures(quick=options.quick)
    print("\n".join(table(found, only_broken=options.quiet)))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"bars": [figure.as_dict() for figure in found]}, indent=2) + "\n")
    return 0 if all(figure.ok for figure in found) else 1


def table(found: list[Figure], only_broken: bool = False) -> list[str]:
    """One line a figure, below it the worst offenders where the bound is broken or there is none."""
    width = max(len(figure.name) for figure in found)
    lines = [] if only_broken else [f"{'figure':{width}}  {'value':>7}  {'bound':>7}"]
    for figure in found:
        if only_broken and figure.ok:
            continue
        bound = "-" if figure.bound is None else f"{figure.bound:,}"
        verdict = "" if figure.bound is None else "ok" if figure.ok else "BROKEN"
        lines.append(f"{figure.name:{width}}  {figure.value:>7,}  {bound:>7}  {verdict}".rstrip())
        if not figure.ok or figure.listed:
            lines += [f"    {place}" for place in figure.places[:_SHOWN]]
            if len(figure.places) > _SHOWN:
                lines.append(f"    and {len(figure.places) - _SHOWN} more, see the JSON")
    return lines


if __name__ == "__main__":
    sys.exit(main())
