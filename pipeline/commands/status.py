"""`marquee status`: runs, their states and metrics, pushed versions."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    load_config,
    open_store,
    print_json,
)

if TYPE_CHECKING:
    from components.pusher.versions import Version
    from pipeline.runs.run_records import Run
    from pipeline.runs.verdict import Verdict

# Metrics shown as columns, where a run has them.
_COLUMNS = ("recall@10", "recall@100", "ndcg@10", "rmse")


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "status",
        "List runs with state and metrics, the last run's components and the pushed versions.",
        "marquee status --last 5",
    )
    add_config_arguments(parser)
    parser.add_argument(
        "--last", type=int, default=10, metavar="N", help="how many runs (default %(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from components.pusher.versions import list_versions
    from pipeline.runs import lock, run_records
    from pipeline.runs.verdict import verdict

    config = load_config(args)
    store = open_store(config)
    known = run_records.runs(store, config.name) if store else []
    active = lock.is_locked(lock.lock_path(config))
    rows = [(run, verdict(run.nodes), active and run is known[-1]) for run in known[-max(args.last, 1) :]]
    versions = list_versions(config.serving_dir)
    if args.json:
        print_json(
            {
                "runs": [_as_json(*row) for row in rows],
                "pushed": [dataclasses.asdict(version) for version in versions],
                "serving_dir": config.serving_dir,
            }
        )
    else:
        _show(rows, versions, config.artifacts_dir, config.serving_dir)
    return 0


def _as_json(run: Run, found: Verdict, running: bool) -> dict[str, Any]:
    from pipeline.runs.verdict import as_json, run_state

    nodes = [
        {"node": node.node, "state": node.state, "cached": node.cached, "seconds": node.seconds}
        for node in run.nodes
    ]
    return {
        "run": run.run_id,
        "started": datetime.datetime.fromtimestamp(run.started, datetime.UTC).isoformat(),
        "state": run_state(run.nodes, found, running),
        "components": nodes,
        **as_json(found),
    }


def _show(
    rows: list[tuple[Run, Verdict, bool]], versions: list[Version], artifacts: str, serving: str
) -> None:
    import contract
    from components.common import storage
    from pipeline.runs.verdict import gates_line, run_state
    from pipeline.terminal.table import table
    from pipeline.terminal.typed import typed

    if not rows:
        print(f"no run in {artifacts} yet\nnext  {typed('run')}")
        return
    print(
        table(
            ("run", "state", "seconds", "ran", "cached", *_COLUMNS, "gates"),
            [
                (
                    run.run_id,
                    run_state(run.nodes, found, running),
                    f"{sum(node.seconds for node in run.nodes):.1f}",
                    str(sum(not node.cached for node in run.nodes)),
                    str(sum(node.cached for node in run.nodes)),
                    *(f"{found.metrics[name]:.4f}" if name in found.metrics else "-" for name in _COLUMNS),
                    gates_line(found),
                )
                for run, found, running in rows
            ],
        )
    )
    last = rows[-1][0]
    print(f"\ncomponents of {last.run_id}")
    print(
        table(("component", "state", "seconds"), [(n.node, n.state, f"{n.seconds:.1f}") for n in last.nodes])
    )
    print(f"\npushed to {serving}")
    if not versions:
        print("nothing yet")
        return
    print(
        table(
            ("version", "pushed", "run", ""),
            [
                (
                    str(version.number),
                    str(version.record.get("time", "")),
                    str(version.record.get("run", "")),
                    ", ".join(
                        note
                        for note, holds in (("newest", version is versions[-1]), ("pinned", version.pinned))
                        if holds
                    ),
                )
                for version in versions
            ],
        )
    )
    card = storage.join(versions[-1].path, contract.ASSETS_EXTRA, contract.MODEL_CARD)
    if storage.exists(card):
        print(f"card  {card}")
