"""`marquee refresh`: the last pushed towers with another catalogue."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pipeline.commands.common import Subparsers, add_command
from pipeline.commands.run import add_run_arguments, run_here

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

    from pipeline.config.sections import Config


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "refresh",
        "Push the last pushed model with the items of the data as they are now: embedded, indexed, measured, "
        "tried in the server; nothing is trained. Exit codes as of `marquee run`.",
        "marquee refresh --data data/ml-latest-small",
    )
    add_run_arguments(parser)
    parser.add_argument(
        "--allow-removals",
        action="store_true",
        help="items of the pushed version may be missing in the data: they are no longer recommended",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    def graph(config: Config) -> Pipeline:
        from components.pusher import versions
        from pipeline.dag import create_refresh
        from pipeline.errors import InputError
        from pipeline.terminal.typed import typed

        last = versions.latest(config.serving_dir)
        if last is None:
            raise InputError(
                f"nothing was pushed to {config.serving_dir} yet, so there are no towers to refresh; "
                f"next  {typed('run')}"
            )
        return create_refresh(config, last, args.allow_removals)

    return run_here(args, graph)
