"""`marquee rollback` and `marquee retire`: which versions servers see, without deleting one."""

from __future__ import annotations

import argparse
import dataclasses

from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    load_config,
    print_json,
)


def add_parser(subparsers: Subparsers) -> None:
    back = add_command(
        subparsers,
        "rollback",
        "Go back to a pushed version: newer ones are taken out of the servers' sight, not deleted. Also "
        "forward again, to one that was taken away.",
        "marquee rollback 1795311469 --why 'too many old items'",
    )
    back.add_argument(
        "version",
        type=int,
        nargs="?",
        metavar="VERSION",
        help="of `marquee status` (default: the last but one)",
    )
    retire = add_command(
        subparsers,
        "retire",
        "Take one version out of the servers' sight for good; it is kept, and `marquee rollback` brings it "
        "back.",
        "marquee retire 1795311469 --why 'trained on a broken log'",
    )
    retire.add_argument("version", type=int, metavar="VERSION", help="a number of `marquee status`")
    for parser, action in ((back, "rollback"), (retire, "retire")):
        add_config_arguments(parser)
        parser.add_argument("--why", default="", metavar="TEXT", help="kept with who and when")
        parser.set_defaults(run=run, action=action)


def run(args: argparse.Namespace) -> int:
    from components.pusher import lifecycle
    from pipeline.errors import InputError
    from pipeline.terminal.typed import typed

    destination = load_config(args).serving_dir
    act = lifecycle.roll_back if args.action == "rollback" else lifecycle.retire
    try:
        event = act(destination, args.version, args.why)
    except lifecycle.LifecycleError as error:
        raise InputError(str(error)) from error
    if args.json:
        print_json({**dataclasses.asdict(event), "serving_dir": destination})
        return 0
    if args.action == "rollback":
        print(f"newest  {event.version}{' (brought back)' if event.restored else ''}")
    for version in event.withdrawn:
        print(f"withdrawn  {version}: kept out of sight; `{typed('rollback', str(version))}` brings it back")
    if not event.withdrawn and not event.restored:
        print("nothing to do: it is the newest already")
    print("Servers that follow the newest version go over at their next look, after one second by default.")
    return 0
