"""Seconds and peak memory of each component of `marquee run`, and of a second run with nothing changed.

    python benchmarks/run.py --data data/ml-latest-small

Runs the real command twice in a fresh artifacts folder and watches its whole
process tree from outside. A component's window ends when its line is printed.
Prints a table and writes benchmarks/out/run.json with the bars.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402

# On 2 cores, installation apart, ml-latest-small.
FIRST_RUN_SECONDS = 240
SECOND_RUN_SECONDS = 40


class PeakMemory(threading.Thread):
    """Samples the resident memory of a process and its children, in MiB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._peak = 0.0
        self._lock = threading.Lock()

    def run(self) -> None:
        while self._process.is_running():
            try:
                family = [self._process, *self._process.children(recursive=True)]
                total = sum(member.memory_info().rss for member in family) / 2**20
            except psutil.NoSuchProcess:  # one ended between listing and reading
                continue
            with self._lock:
                self._peak = max(self._peak, total)
            time.sleep(0.05)

    def take(self) -> float:
        """The peak since the last call."""
        with self._lock:
            peak, self._peak = self._peak, 0.0
        return peak


def watched_run(arguments: list[str]) -> tuple[list[tuple[str, float, float]], float]:
    """[(component, seconds, peak MiB)] and the whole command's seconds.

    Raises:
      SystemExit: the command failed; its output is shown.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "run", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    memory = PeakMemory(process.pid)
    memory.start()
    assert process.stdout is not None
    rows, lines, last = [], [], None
    for line in process.stdout:
        lines.append(line)
        words = line.split()
        if words and words[0] in ("✓", "="):
            now = time.monotonic()
            # Loading Python, TensorFlow and TFX comes before the first component.
            seconds = float(words[3]) if last is None else now - last
            if last is None:
                rows.append(("(start-up)", now - started - seconds, 0.0))
            rows.append((words[1], seconds, memory.take()))
            last = now
    if process.wait():
        sys.exit("".join(lines) + f"\nthe run ended with exit code {process.returncode}")
    return rows, time.monotonic() - started


def table(title: str, rows: list[tuple[str, float, float]], total: float) -> None:
    print(f"\n{title}\n{'component':<24}{'seconds':>9}{'peak MiB':>10}")
    for name, seconds, peak in rows:
        print(f"{name:<24}{seconds:>9.1f}{peak:>10.0f}")
    print(f"{'whole command':<24}{total:>9.1f}{max(peak for _, _, peak in rows):>10.0f}")


def as_dicts(rows: list[tuple[str, float, float]]) -> list[dict[str, str | float]]:
    """The rows of a table for a benchmark's JSON."""
    return [dict(zip(("component", "seconds", "peak_mib"), row, strict=True)) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="MovieLens folder; without it what `marquee run` finds")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for marquee run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--set", f"artifacts={folder}"]
        arguments += [part for pair in args.set for part in ("--set", pair)]
        if args.data:
            arguments += ["--data", str(Path(args.data).absolute())]
        first, first_total = watched_run(arguments)
        table("first run", first, first_total)
        second, second_total = watched_run(arguments)
        table("second run, nothing changed", second, second_total)
    bars = [
        report.at_most("first run, seconds", first_total, FIRST_RUN_SECONDS),
        report.at_most("second run, seconds", second_total, SECOND_RUN_SECONDS),
    ]
    report.write("run", bars, {"first": as_dicts(first), "second": as_dicts(second)})


if __name__ == "__main__":
    main()
