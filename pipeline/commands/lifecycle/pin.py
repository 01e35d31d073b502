"""`marquee pin` and `marquee unpin`: versions that retention must not delete."""

from __future__ import annotations

import argparse

from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    load_config,
    print_json,
)

_SUMMARIES = {
    "pin": "Keep a pushed version from retention: before a server's config names it (roll-back, canary).",
    "unpin": "Let retention delete a pinned version again, once no server's config names it.",
}


def add_parser(subparsers: Subparsers) -> None:
    for name, summary in _SUMMARIES.items():
        parser = add_command(subparsers, name, summary, f"marquee {name} 1795311469")
        add_config_arguments(parser)
        parser.add_argument("version", type=int, metavar="VERSION", help="a number of `marquee status`")
        parser.add_argument("--why", default="", metavar="TEXT", help="kept with who and when")
        parser.set_defaults(run=run, pinned=name == "pin")


def run(args: argparse.Namespace) -> int:
    from components.pusher import lifecycle, versions
    from pipeline.errors import InputError
    from pipeline.terminal.typed import typed

    serving_dir = load_config(args).serving_dir
    known = {version.number: version for version in versions.list_versions(serving_dir)}
    try:
        if args.version not in known:
            raise KeyError(args.version)
        if args.pinned:
            versions.pin(serving_dir, args.version)
        else:
            versions.unpin(serving_dir, args.version)
    except KeyError:
        there = ", ".join(map(str, known)) or "none"
        raise InputError(
            f"version {args.version} is not in {serving_dir}; there are: {there}. "
            "--config or --set push_to=FOLDER says where to look"
        ) from None
    lifecycle.record(serving_dir, "pin" if args.pinned else "unpin", args.version, args.why)
    if args.json:
        print_json({"version": args.version, "pinned": args.pinned, "serving_dir": serving_dir})
    elif args.pinned:
        print(f"pinned  {args.version}: retention keeps it until `{typed('unpin', str(args.version))}`")
    else:
        print(f"not pinned  {args.version}: retention deletes it after `pusher.keep_versions` newer ones")
    return 0
