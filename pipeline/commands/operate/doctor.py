"""`marquee doctor`: whether this machine and this installation can do the work, and what to do where not."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    load_config,
    print_json,
)


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "doctor",
        "Check this machine and installation: Python, glibc, memory, disk, packages, ports, metadata store, "
        "the pushed model. Exit code 0, or 1 if something is wrong.",
        "marquee doctor --set artifacts=/data/artifacts",
    )
    add_config_arguments(parser)
    parser.add_argument("--port", type=int, default=8500, metavar="N", help="of gRPC (default %(default)s)")
    parser.add_argument(
        "--rest-port", type=int, default=8501, metavar="N", help="of REST (default %(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import dataclasses

    from pipeline import health
    from pipeline.errors import FAILED, OK
    from pipeline.terminal.output import logs_to_file
    from pipeline.terminal.table import table

    config = load_config(args)
    with logs_to_file(Path(config.logs_dir) / "doctor.log"):
        found = health.examine(config, (args.port, args.rest_port))
    code = FAILED if any(check.state == health.WRONG for check in found) else OK
    if args.json:
        print_json({"ok": code == OK, "checks": [dataclasses.asdict(check) for check in found]})
        return code
    print(table(("check", "", "found"), [(check.name, check.state, check.found) for check in found]))
    for check in found:
        if check.do:
            print(f"\n{check.name}: {check.do}")
    return code
