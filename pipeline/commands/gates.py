"""`marquee gates`: why a run's model was pushed or refused."""

from __future__ import annotations

import argparse
import dataclasses

from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    load_config,
    open_store,
    print_json,
)


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "gates",
        "Show each gate of a run: value, bound, verdict.",
        "marquee gates --run 20260131-235959-123",
    )
    add_config_arguments(parser)
    parser.add_argument(
        "--run", metavar="ID", dest="run_id", help="a run of `marquee status` (default: the last judged)"
    )
    parser.add_argument(
        "--slices", action="store_true", help="also every metric, overall and by slice, beside the baseline's"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from pipeline.errors import InputError
    from pipeline.runs import run_records
    from pipeline.runs.verdict import as_json, gates_table, verdict
    from pipeline.terminal.metrics_table import metrics_tables
    from pipeline.terminal.typed import typed

    config = load_config(args)
    store = open_store(config)
    known = run_records.runs(store, config.name) if store else []
    if args.run_id is not None:
        known = [run for run in known if run.run_id == args.run_id]
        if not known:
            raise InputError(
                f"no run {args.run_id} in {config.artifacts_dir}; `{typed('status')}` lists them"
            )
    judged = [(run, found) for run in known if (found := verdict(run.nodes)).gates]
    if not judged:
        which = f"run {args.run_id}" if args.run_id else f"no run in {config.artifacts_dir}"
        raise InputError(f"{which} has got as far as the gates; `{typed('run')}` makes one")
    last, found = judged[-1]
    if args.slices and found.report is None:
        raise InputError(f"the metrics of run {last.run_id} are gone from {config.artifacts_dir}")
    if args.json:
        measured = {"measured": dataclasses.asdict(found.report)} if args.slices and found.report else {}
        print_json({"run": last.run_id, **as_json(found), **measured})
    else:
        print(f"run {last.run_id}\n\n{gates_table(found)}\n")
        if args.slices and found.report:
            print(f"{metrics_tables(found.report)}\n")
        print(f"pushed  {found.pushed}" if found.pushed else "not pushed")
    return 0
