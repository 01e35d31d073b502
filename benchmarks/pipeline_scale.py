"""The whole pipeline on millions of generated ratings, one epoch: seconds and peak memory of each component.

    python benchmarks/pipeline_scale.py
    python benchmarks/pipeline_scale.py --ratings 10000000 32000000 --keep /var/tmp/samples

Each size is one `marquee run` of the default config in a fresh artifacts folder, watched
from outside as benchmarks/run.py does it. What one epoch on generated ratings comes to is
not judged: the gates are open. Prints a table a size and writes
benchmarks/out/pipeline_scale.json with the bars; a later call adds to an earlier one's.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from benchmarks.example_gen import generated  # noqa: E402
from benchmarks.run import as_dicts, table, watched_run  # noqa: E402

NAME = "pipeline_scale"
PEAK_MIB = 8192
LARGE, LARGE_SECONDS = 32_000_000, 7200
_SETTINGS = {
    "trainer.epochs": "1",
    "evaluator.floors": "{}",
    "evaluator.popularity_ratio": "0",
    "evaluator.ann_recall": "0",
}


def measure(data: Path, ratings: int, settings: dict[str, str]) -> dict[str, Any]:
    """One run, printed as a table."""
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        pairs = {"artifacts": folder, **settings}
        knobs = [part for name, value in pairs.items() for part in ("--set", f"{name}={value}")]
        rows, seconds = watched_run(["--data", str(data.absolute()), *knobs])
    table(f"{ratings:,} ratings", rows, seconds)
    peak = max(peak for _, _, peak in rows)
    return {"ratings": ratings, "seconds": seconds, "peak_mib": peak, "components": as_dicts(rows)}


def bars(sizes: list[dict[str, Any]]) -> list[report.Bar]:
    found = []
    for size in sizes:
        found.append(report.at_most(f"peak MiB at {size['ratings']:,}", size["peak_mib"], PEAK_MIB))
        if size["ratings"] == LARGE:
            found.append(report.at_most(f"seconds at {LARGE:,}", size["seconds"], LARGE_SECONDS))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=int, nargs="+", default=[1_000_000], metavar="N")
    parser.add_argument("--keep", help="folder that keeps the generated sets (s1000000 ...) between calls")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for marquee run")
    args = parser.parse_args()
    settings = {**_SETTINGS, **dict(pair.split("=", 1) for pair in args.set)}
    out = ROOT / "benchmarks" / "out" / f"{NAME}.json"
    sizes = json.loads(out.read_text())["sizes"] if out.exists() else []
    with tempfile.TemporaryDirectory() as scratch:
        for ratings in args.ratings:
            data = generated(Path(args.keep or scratch), ratings)
            size = {**measure(data, ratings, settings), "settings": settings}
            others = [old for old in sizes if old["ratings"] != ratings]
            sizes = sorted([*others, size], key=lambda size: int(size["ratings"]))
            report.write(NAME, bars(sizes), {"sizes": sizes})


if __name__ == "__main__":
    main()
