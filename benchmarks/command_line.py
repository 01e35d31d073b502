"""What a command of the terminal costs, from the shell's prompt to its last line.

    python benchmarks/command_line.py --config FILE --user 1 --server http://127.0.0.1:8501

Every command runs in a process of its own, once uncounted and then --runs times: seconds as a
person waits them, CPU seconds and peak memory by the operating system's account. The bars hold on
a quiet machine. `recommend`, `similar` and `rate` load the newest pushed model (cold); with
--server the same requests are then answered by a server that is up.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# Started as a file, so the repository is not on the path by itself.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks import report

# Seconds that a person may be let wait.
_HELP_S = 0.3
_STATUS_S = 0.6
_ASK_S = 4.0


@dataclasses.dataclass(frozen=True)
class Cost:
    """Medians of one command."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def measure(command: list[str], runs: int) -> Cost:
    """Runs a command once and then `runs` times.

    Raises:
      SystemExit: it failed; with what it printed.
    """
    costs = [_run(command) for _ in range(runs + 1)][1:]
    return Cost(*(statistics.median(values) for values in zip(*map(dataclasses.astuple, costs), strict=True)))


def _run(command: list[str]) -> Cost:
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    printed = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} exited with {process.returncode}:\n{printed.decode()}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config", help="of the run whose pushed model is asked (default: the default config)"
    )
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--user", default="1", help="a user of its log with test ratings (default %(default)s)"
    )
    parser.add_argument("--item", default="1", help="an item of its catalogue (default %(default)s)")
    parser.add_argument("--server", metavar="ADDRESS", help="a server on the same model, as `marquee serve`")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, help="folder of command_line.json (default benchmarks/out)")
    args = parser.parse_args()

    config = ["--config", args.config] if args.config else []
    config += [part for override in args.overrides for part in ("--set", override)]
    asked = {
        "recommend": ["recommend", "--user", args.user],
        "similar": ["similar", f"id:{args.item}"],
        "rate": ["rate", "--user", args.user],
    }
    commands = {"--help": (["--help"], _HELP_S), "status": (["status", *config], _STATUS_S)}
    for name, words in asked.items():
        commands[name] = ([*words, "--local", *config], _ASK_S)
    if args.server:
        for name, words in asked.items():
            commands[f"{name}, server"] = ([*words, "--server", args.server, *config], _ASK_S)

    print(f"{'command':20} {'seconds':>8} {'CPU s':>8} {'MiB':>6}")
    costs = {}
    for name, (words, _) in commands.items():
        costs[name] = measure([sys.executable, "-m", "pipeline.cli", *words], args.runs)
        cost = costs[name]
        print(f"{name:20} {cost.seconds:8.2f} {cost.cpu_seconds:8.2f} {cost.peak_mib:6.0f}", flush=True)
    print()
    bars = [
        report.at_most(f"seconds of {name}", costs[name].seconds, bound)
        for name, (_, bound) in commands.items()
    ]
    figures = {
        "runs": args.runs,
        "commands": {name: dataclasses.asdict(cost) for name, cost in costs.items()},
    }
    report.write("command_line", bars, figures, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
