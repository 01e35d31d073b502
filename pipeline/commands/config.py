"""`marquee config`: the config in force."""

from __future__ import annotations

import argparse

from pipeline.commands.common import Subparsers, add_command, add_config_arguments, load_config, print_json


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "config",
        "Check the config and print every key with the value in force.",
        "marquee config --config sample --set trainer.epochs=5",
    )
    add_config_arguments(parser)
    parser.add_argument(
        "--defaults",
        action="store_true",
        help="print a documented file with every key, to start your own from",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import yaml

    if args.defaults:
        from pipeline.config.docs import documented_defaults

        print(documented_defaults(), end="")
        return 0
    values = load_config(args).resolved()
    if args.json:
        print_json(values)
    else:
        print(yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=100), end="")
    return 0
