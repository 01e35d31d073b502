"""The whole pipeline on millions of generated ratings, one epoch: seconds and peak memory of each component.

    python benchmarks/pipeline_scale.py
    python benchmarks/pipeline_scale.py --ratings 10000000 32000000 --keep /var/tmp/samples

Each size is one `marquee run` of the default config in a fresh artifacts folder, watched
from outside as benchmarks/run.py does it. What one epoch on generated ratings comes to is
not judged: the gates are open. Prints a table a size, and from the log how long the trainer
read events and waited for batches, and writes benchmarks/out/pipeline_scale.json with the bars; a
later call adds to an earlier one's.
"""

from __future__ import annotations

import argparse
import json
import re
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
# Of the steps' time; more is a trainer that its input holds up.
WAITING_SHARE = 0.05
# Nothing on the way to the trainer's batches may cost more a rating at this many than at a tenth.
LINEAR, SLOWER_PER_RATING = 10_000_000, 1.2
_SETTINGS = {
    "trainer.epochs": "1",
    "evaluator.floors": "{}",
    "evaluator.popularity_ratio": "0",
    "evaluator.recent_popularity_ratio": "0",
    "evaluator.ann_recall": "0",
}


def measure(data: Path, ratings: int, settings: dict[str, str]) -> dict[str, Any]:
    """One run, printed as a table."""
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        pairs = {"artifacts": folder, **settings}
        knobs = [part for name, value in pairs.items() for part in ("--set", f"{name}={value}")]
        rows, seconds = watched_run(["--data", str(data.absolute()), *knobs])
        found = trainer_input("".join(log.read_text() for log in Path(folder, "logs").glob("run-*.log")))
    table(f"{ratings:,} ratings", rows, seconds)
    print("trainer: {events:,} events read in {read:.1f} s, {steps:,} steps in {train:.1f} s, of which "
          "{waited:.1f} s waiting for input".format(**found))  # fmt: skip
    peak = max(peak for _, _, peak in rows)
    return {
        "ratings": ratings, "seconds": seconds, "peak_mib": peak, "components": as_dicts(rows),
        "trainer_input": found,
    }  # fmt: skip


def trainer_input(log: str) -> dict[str, float]:
    """Of the trainer's log: events and seconds read, steps, their seconds, and those of them waited."""
    read = [(int(a), float(b)) for a, b in re.findall(r": (\d+) events read in ([\d.]+) s", log)]
    wait = r", (\d+) steps in ([\d.]+) s of which ([\d.]+) s waiting"
    epochs = [(int(a), float(b), float(c)) for a, b, c in re.findall(wait, log)]
    if not read or not epochs:
        raise SystemExit("the log has no line of the trainer's input")
    totals = [sum(column) for column in (*zip(*read, strict=True), *zip(*epochs, strict=True))]
    return dict(zip(("events", "read", "steps", "train", "waited"), totals, strict=True))


def _to_batches(size: dict[str, Any]) -> dict[str, float]:
    """Seconds of what ratings go through on the way to the trainer's batches."""
    steps = {row["component"]: row["seconds"] for row in size["components"]}
    return {
        "example_gen": steps["example_gen"],
        "statistics_timelines": steps["statistics_timelines"],
        "trainer, reading": size["trainer_input"]["read"],
    }


def bars(sizes: list[dict[str, Any]]) -> list[report.Bar]:
    found = []
    for size in sizes:
        found.append(report.at_most(f"peak MiB at {size['ratings']:,}", size["peak_mib"], PEAK_MIB))
        if size["ratings"] == LARGE:
            found.append(report.at_most(f"seconds at {LARGE:,}", size["seconds"], LARGE_SECONDS))
        share = size["trainer_input"]["waited"] / size["trainer_input"]["train"]
        found.append(
            report.at_most(
                f"share of training spent waiting for input at {size['ratings']:,}", share, WAITING_SHARE
            )
        )
    by_size = {size["ratings"]: _to_batches(size) for size in sizes}
    if {LINEAR, LINEAR // 10} <= by_size.keys():
        for step, seconds in by_size[LINEAR].items():
            times = seconds / 10 / by_size[LINEAR // 10][step]
            found.append(
                report.at_most(f"{step}: seconds a rating at 10M over those at 1M", times, SLOWER_PER_RATING)
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=int, nargs="+", default=[1_000_000], metavar="N")
    parser.add_argument("--keep", help="folder that keeps the generated sets (s1000000 ...) between calls")
    parser.add_argument("--out", type=Path, help="folder of the JSON (default: benchmarks/out)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for marquee run")
    args = parser.parse_args()
    settings = {**_SETTINGS, **dict(pair.split("=", 1) for pair in args.set)}
    folder = args.out or ROOT / "benchmarks" / "out"
    out = folder / f"{NAME}.json"
    sizes = json.loads(out.read_text())["sizes"] if out.exists() else []
    with tempfile.TemporaryDirectory() as scratch:
        for ratings in args.ratings:
            data = generated(Path(args.keep or scratch), ratings)
            size = {**measure(data, ratings, settings), "settings": settings}
            others = [old for old in sizes if old["ratings"] != ratings]
            sizes = sorted([*others, size], key=lambda size: int(size["ratings"]))
            report.write(NAME, bars(sizes), {"sizes": sizes}, folder)


if __name__ == "__main__":
    main()
