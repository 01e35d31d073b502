"""Is the two-tower better than what people use? The leaderboard's protocols, with bars.

    python benchmarks/quality.py --data FOLDER [--protocols user-time,random,time-ratings] [--large]

Runs each protocol with every model that it can measure (hours on two cores; what is
finished is kept in FOLDER of --out, so a run that broke off goes on) and writes
benchmarks/out/quality.json. --large instead generates a log of MovieLens-1M's size, fits
the two-tower alone on it by leave-last-out, and measures time and memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import report

OURS = "two_tower"
LARGE = {"users": 6_040, "items": 3_416, "ratings": 1_000_000}
_GB = 1024**3


def leaderboard(protocol: str, data: Path, out: Path, *arguments: str) -> dict[str, Any]:
    """Runs the command in a process of its own; its progress goes to stderr."""
    command = [
        sys.executable, "-m", "pipeline.cli", "leaderboard", "--json", "--protocol", protocol,
        "--data", str(data), "--out", str(out), *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=report.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def mean(found: dict[str, Any], model: str, metric: str, users: str = "all") -> float:
    return float(found["models"][model][users][metric]["mean"])


def ranking_bars(found: dict[str, Any]) -> list[report.Bar]:
    """Ours against the best other model on every metric, all users and the confirmatory ones."""
    bars = []
    others = [name for name in found["models"] if name != OURS]
    for users in ("all", "confirmatory"):
        for metric in found["models"][OURS][users]:
            best = max(mean(found, name, metric, users) for name in others)
            gain = mean(found, OURS, metric, users) - best
            bars.append(report.at_least(f"{metric}, {users} users: above the best other", gain, 0.0))
    bars.append(report.at_least("recall@10", mean(found, OURS, "recall@10"), 0.125))
    bars.append(report.at_least("recall@100", mean(found, OURS, "recall@100"), 0.45))
    return bars


def random_bars(found: dict[str, Any]) -> list[report.Bar]:
    own = {name: mean(found, name, "own_recall@10") for name in (OURS, "embedding_dnn", "bias")}
    return [
        report.at_most("random: rmse", mean(found, OURS, "rmse"), 0.86),
        report.at_most("random: mae", mean(found, OURS, "mae"), 0.655),
        *(
            report.at_least(f"random: own recall@10 above {name}'s", own[OURS] - own[name], 0)
            for name in ("embedding_dnn", "bias")
        ),
    ]


def time_bars(found: dict[str, Any]) -> list[report.Bar]:
    ours = mean(found, OURS, "rmse")
    return [
        report.at_most("time-ratings: rmse", ours, 0.87),
        report.at_most("time-ratings: rmse above the bias model's", ours - mean(found, "bias", "rmse"), 0),
    ]


BARS = {"user-time": ranking_bars, "random": random_bars, "time-ratings": time_bars}


def large(out: Path, arguments: list[str]) -> tuple[list[report.Bar], dict[str, Any]]:
    """A generated log of MovieLens-1M's size: does the two-tower fit in an hour and 8 GB?"""
    from datasets.generated import movielens_sample

    folder = out / "large"
    movielens_sample.generate(folder, **LARGE, seed=7)
    rows = [line.split(",") for line in (folder / "ratings.csv").read_text().splitlines()[1:]]
    rows.sort(key=lambda row: int(row[3]))
    file = folder / "events.txt"
    file.write_text("".join(f"{user} {item}\n" for user, item, _, _ in rows))
    began = time.monotonic()
    found = leaderboard(
        "leave-last-out",
        file,
        out / f"large-{int(time.time())}",
        "--models",
        OURS,
        "--seeds",
        "1",
        *arguments,
    )
    minutes = (time.monotonic() - began) / 60
    gigabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / _GB
    bars = [
        report.at_most("large: minutes", minutes, 60),
        report.at_most("large: peak GB", gigabytes, 8),
    ]
    return bars, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=report.ROOT / "artifacts" / "leaderboard")
    parser.add_argument("--protocols", default=",".join(BARS))
    parser.add_argument("--large", action="store_true")
    parser.add_argument("arguments", nargs="*", help="after --: passed on, such as --trials 4 --seeds 3")
    args = parser.parse_args()
    bars: list[report.Bar] = []
    figures: dict[str, Any] = {}
    if args.large:
        bars, figures["leave-last-out"] = large(args.out, args.arguments)
        report.write("quality_large", bars, figures)
        return
    if args.data is None:
        parser.error("--data is missing; expected a MovieLens folder")
    for protocol in args.protocols.split(","):
        if protocol not in BARS:
            parser.error(f"no bars for {protocol!r}; expected some of {', '.join(BARS)}")
        figures[protocol] = leaderboard(protocol, args.data.absolute(), args.out, *args.arguments)
        bars += BARS[protocol](figures[protocol])
    report.write("quality", bars, figures)


if __name__ == "__main__":
    main()
