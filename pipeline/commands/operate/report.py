"""`marquee report`: the page of a run, or of two side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

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
        "report",
        "Open a run's report, or print where it lies: one HTML file with verdict, gates, metrics, data, "
        "lists and lineage. Two runs: side by side.",
        "marquee report 20260131-235959-123 20260201-101500-001",
    )
    add_config_arguments(parser)
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="one or two of `marquee runs` (default: the newest)"
    )
    parser.add_argument("--again", action="store_true", help="write it anew from what the run left behind")
    parser.add_argument("--print", action="store_true", dest="no_browser", help="open no browser")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from pipeline.errors import InputError
    from pipeline.report import files
    from pipeline.terminal.output import logs_to_file

    if len(args.runs) > 2:
        raise InputError(f"report takes one run or two, got {len(args.runs)}")
    config = load_config(args)
    store = open_store(config)
    with logs_to_file(Path(config.logs_dir) / "report.log"):
        if args.again:
            for run_id in args.runs or [files.newest(config, store)]:
                files.write(config, store, run_id)
        if len(args.runs) == 2:
            path = files.compare(config, store, *args.runs)
        else:
            path = files.find(config, store, args.runs[0] if args.runs else None).path
    if args.json:
        print_json({"path": path})
        return 0
    print(path)
    if not args.no_browser:
        _open(path)
    return 0


def _open(path: str) -> None:
    """In a browser, where there is a screen and the file is on this machine."""
    import os
    import sys
    import webbrowser

    from components.common import storage

    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin"
    if sys.stdout.isatty() and screen and storage.is_local(path):
        webbrowser.open(Path(path).as_uri())
