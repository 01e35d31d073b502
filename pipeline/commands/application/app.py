"""`marquee app`: the application, its database and its keys."""

from __future__ import annotations

import argparse

from pipeline.commands.common import Subparsers, add_command


def add_parser(subparsers: Subparsers) -> None:
    from serving.app import command

    parser = add_command(
        subparsers,
        "app",
        "The application: an API over the model server with people and events of its own. Ctrl-C stops it.",
        "marquee app --model-server 127.0.0.1:8500 --database sqlite:///artifacts/app/app.sqlite",
    )
    command.add_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from pipeline.errors import InputError
    from serving.app import command

    try:
        return command.run(args)
    except command.CommandError as error:
        raise InputError(str(error)) from error
