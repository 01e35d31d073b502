"""`marquee runs`: runs with their metrics over time, as a small chart."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    load_config,
    open_store,
    print_json,
)

_METRICS = ("recall@10", "recall@100", "ndcg@10", "coverage@10", "novelty@10")
_BLOCKS = "▁▂▃▄▅▆▇█"


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "runs",
        "List runs, oldest first, with their metrics over time as a small chart.",
        "marquee runs --metric recall@10 --metric rmse",
    )
    add_config_arguments(parser)
    parser.add_argument(
        "--last", type=int, default=30, metavar="N", help="how many runs (default %(default)s)"
    )
    parser.add_argument(
        "--metric",
        action="append",
        dest="metrics",
        metavar="NAME",
        help=f"of docs/reference/metrics.md; may be repeated (default {', '.join(_METRICS)})",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from components.common.metrics import registry
    from pipeline.errors import InputError
    from pipeline.runs import lock, run_records
    from pipeline.runs.verdict import run_state, verdict
    from pipeline.terminal.typed import typed

    metrics = args.metrics or _METRICS
    if unknown := [name for name in metrics if name not in registry.evaluated()]:
        raise InputError(f"no metric {', '.join(unknown)}; there are {', '.join(registry.evaluated())}")
    config = load_config(args)
    store = open_store(config)
    known = run_records.runs(store, config.name) if store else []
    active = lock.is_locked(lock.lock_path(config))
    rows: list[dict[str, Any]] = []
    for each in known[-max(args.last, 1) :]:
        found = verdict(each.nodes)
        state = run_state(each.nodes, found, active and each is known[-1])
        rows.append(
            {
                "run": each.run_id,
                "state": state,
                "seconds": sum(node.seconds for node in each.nodes),
                "metrics": {name: found.metrics.get(name, math.nan) for name in metrics},
                "errors": found.report.candidate.errors if found.report else {},
                "version": found.pushed.rpartition("/")[2],
            }
        )
    if args.json:
        print_json({"runs": rows})
    elif rows:
        _show(rows, metrics)
    else:
        print(f"no run of {config.name} in {config.artifacts_dir} yet\nnext  {typed('run')}")
    return 0


def _show(rows: list[dict[str, Any]], metrics: Sequence[str]) -> None:
    from components.evaluator.metrics.paired import Z
    from pipeline.terminal.table import table

    def cell(row: dict[str, Any], name: str) -> str:
        value, error = row["metrics"][name], row["errors"].get(name)
        if not math.isfinite(value):
            return "-"
        return f"{value:.4f}" + (f" ±{Z * error:.4f}" if error is not None and math.isfinite(error) else "")

    print(
        table(
            ("run", "state", "seconds", *metrics, "version"),
            [
                (
                    row["run"],
                    row["state"],
                    f"{row['seconds']:.0f}",
                    *(cell(row, name) for name in metrics),
                    row["version"] or "-",
                )
                for row in rows
            ],
        )
    )
    lines = []
    for name in metrics:
        values = [value for row in rows if math.isfinite(value := row["metrics"][name])]
        if values:
            lines.append(
                (name, chart(values), f"{min(values):.4f} to {max(values):.4f}, last {values[-1]:.4f}")
            )
    if lines:
        print("\nover time, of the runs that measured it")
        width, length = (max(len(line[i]) for line in lines) for i in range(2))
        for name, drawn, words in lines:
            print(f"{name.ljust(width)}  {drawn.ljust(length)}  {words}")


def chart(values: Sequence[float]) -> str:
    """A block for each value: the least the lowest, the most the highest; all alike in the middle."""
    low, high = min(values), max(values)
    if low == high:
        return _BLOCKS[len(_BLOCKS) // 2] * len(values)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round(steps * (value - low) / (high - low))] for value in values)
