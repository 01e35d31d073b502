"""`marquee events export`: what people did in the application, as a log to train on."""

from __future__ import annotations

import argparse

from pipeline.commands.common import Subparsers, add_command, print_json


def add_parser(subparsers: Subparsers) -> None:
    actions = subparsers.add_parser("events", help="Export the application's events.").add_subparsers(
        metavar="ACTION", required=True
    )
    parser = add_command(
        actions,
        "export",
        "Write the application's events as Parquet, which `data` of a config takes beside the base log. "
        "Who was erased is not in it.",
        "marquee events export exports/events.parquet --database sqlite:///artifacts/app/app.sqlite",
    )
    parser.add_argument("path", metavar="FILE", help="to write; replaced as a whole")
    parser.add_argument(
        "--database", metavar="URL", help="of the application; also MARQUEE_APP_DATABASE (default its own)"
    )
    parser.add_argument(
        "--scale",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="of the data's ratings (rating_scale of the config), for likes and dislikes (default 0.5 5)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from pipeline.commands.application.database import opened_url
    from pipeline.errors import InputError
    from serving.app.store import export

    scale = tuple(args.scale) if args.scale else export.SCALE
    if not scale[0] < scale[1]:
        raise InputError(f"--scale: expected the lower number first, got {scale[0]:g} {scale[1]:g}")
    count = export.write(opened_url(args.database), Path(args.path), scale)
    if args.json:
        print_json({"path": args.path, "events": count})
    else:
        print(f"{count:,} events in {args.path}; train on them with `data: [BASE LOG, {args.path}]`")
    return 0
