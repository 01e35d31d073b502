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

_EVENTS = 5  # of the last roll-backs, retirements and pins
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
    from components.pusher import lifecycle
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
                "withdrawn": lifecycle.withdrawn(config.serving_dir),
                "events": [dataclasses.asdict(event) for event in lifecycle.events(config.serving_dir)],
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
    from pipeline.terminal.typed import typed

    if rows:
        _show_runs(rows)
    else:
        print(f"no run in {artifacts} yet\nnext  {typed('run')}")
        if not versions:
            return
    print(f"\npushed to {serving}")
    if versions:
        _show_pushed(versions, serving)
    else:
        print("nothing yet")


def _show_runs(rows: list[tuple[Run, Verdict, bool]]) -> None:
    from pipeline.runs.verdict import gates_line, run_state
    from pipeline.terminal.table import table

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


def _show_pushed(versions: list[Version], serving: str) -> None:
    import contract
    from components.common import storage
    from components.pusher import lifecycle
    from pipeline.terminal.table import table
    from pipeline.terminal.typed import typed

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
    for number in lifecycle.withdrawn(serving):
        print(f"withdrawn  {number}: `{typed('rollback', str(number))}` brings it back")
    for event in lifecycle.events(serving)[-_EVENTS:]:
        why = event.why or "no reason given"
        print(f"{event.action}  {event.version}, {event.time[:19]}Z by {event.who}: {why}")
