"""`marquee data`: check, fetch and sample."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    load_config,
    print_json,
)

if TYPE_CHECKING:
    from datasets.own_log.survey import Survey

_CHECK = "marquee data check data/ml-1m"
_FETCH = "marquee data fetch 1m"
_SHOP = "marquee data sample data/shop --kind shop"
_SAMPLE = "marquee data sample data/sample --users 600 --items 3000 --ratings 60000 --seed 7"
# Folder, items and events of each generated sample, unless others are asked for.
_SIZES = {"movielens": ("data/sample", 3000, 60_000), "shop": ("data/shop", 1500, 40_000)}
# As datasets.movielens.editions has them; a test compares, so that --help imports nothing heavy.
EDITIONS = ("latest-small", "100k", "1m", "10m", "20m", "25m", "32m")
_SECONDS_BETWEEN_LINES = 5.0


def add_parser(subparsers: Subparsers) -> None:
    summary = "Look at data, fetch MovieLens, or make data to try things on."
    parser = subparsers.add_parser(
        "data",
        help=summary,
        description=summary,
        epilog=f"examples:\n  {_CHECK}\n  {_FETCH}\n  {_SAMPLE}\n  {_SHOP}\n\n"
        "marquee data ACTION --help shows an action's own arguments.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    check = add_command(
        actions,
        "check",
        "Read a data set as a run would and report on it: rows, bad rows, users, items, density, time, "
        "histograms, what a run would do. Exit code 0 if a run would go on, 2 if it would stop.",
        _CHECK,
    )
    check.add_argument(
        "path",
        nargs="+",
        help="MovieLens folder, file of `user item` lines, or your own log; more: logs over its items",
    )
    check.add_argument(
        "--write", metavar="FILE", help="save the guessed map of a log of your own there, as a config"
    )
    check.add_argument("--bad-rows", metavar="FILE", help="write every bad row there, as JSON lines")
    add_config_arguments(check)
    check.set_defaults(run=run_check)

    fetch = add_command(
        actions,
        "fetch",
        "Download an edition of MovieLens from GroupLens: checked, and resumed where it broke off.",
        _FETCH,
    )
    fetch.add_argument("edition", choices=EDITIONS, metavar="EDITION", help=", ".join(EDITIONS))
    fetch.add_argument("path", nargs="?", help="folder to make (default data/ml-EDITION)")
    fetch.add_argument(
        "--from", dest="base", metavar="URL", help="folder of another server that has the archives"
    )
    fetch.set_defaults(run=run_fetch)

    sample = add_command(
        actions,
        "sample",
        "Generate ratings, items and tags in MovieLens's layout, or the log of a shop (see "
        "pipeline/configs/shop.yaml), with structure that can be learnt. "
        "Written block by block: tens of millions of ratings need no more memory than one.",
        _SAMPLE,
    )
    sample.add_argument("path", nargs="?", help="folder to write (default data/sample, of a shop data/shop)")
    sample.add_argument(
        "--kind",
        choices=tuple(_SIZES),
        default="movielens",
        help="a shop has views, carts and purchases of items with price, brand, category and language",
    )
    sample.add_argument("--users", type=int, default=600, metavar="N", help="default %(default)s")
    sample.add_argument("--items", type=int, metavar="N", help="default 3000, of a shop 1500 items")
    sample.add_argument(
        "--ratings",
        "--interactions",
        type=int,
        metavar="N",
        help="default 60000, of a shop 40000 pairs of customer and item",
    )
    sample.add_argument(
        "--seed", type=int, default=7, metavar="N", help="same seed, same bytes; default %(default)s"
    )
    sample.set_defaults(run=run_sample)


def run_check(args: argparse.Namespace) -> int:
    from pathlib import Path

    from components.example_gen.errors import DataError
    from components.example_gen.reading.places import absolute
    from datasets.own_log.survey import survey
    from datasets.report import check
    from pipeline.errors import BAD_INPUT, OK, InputError
    from pipeline.runs import column_map
    from pipeline.runs.data import Data, layout_of
    from pipeline.terminal.data_report import text

    config = load_config(args)
    paths = [absolute(path) for path in args.path]
    path = "\n".join(map(str, paths))
    found: Survey | None = None
    try:
        if column_map.needed(paths[0], config.example_gen):
            found = survey(paths[0], config.example_gen)
            config = Data(path, "as given", found).applied(config) if found.guess.certain else config
    except DataError as error:
        raise InputError(str(error)) from error
    if args.write:
        _write(args.write, found)
    if found is not None and not args.json:
        print(f"{found.description()}\n")
        print(column_map.questions(found, paths[0]) if not found.guess.certain else found.yaml())
    if found is not None and not found.guess.certain:
        if args.json:
            print_json({"guess": dataclasses.asdict(found.guess)})
        return BAD_INPUT
    try:
        report = check(
            layout_of(path, config), config.example_gen, Path(args.bad_rows) if args.bad_rows else None
        )
    except (DataError, OSError) as error:
        raise InputError(str(error)) from error
    if args.json:
        guess = {} if found is None else {"guess": dataclasses.asdict(found.guess)}
        print_json({**report.as_dict(), **guess})
    else:
        print(text(report))
    return BAD_INPUT if report.stops else OK


def _write(file: str, found: Survey | None) -> None:
    """Saves a guessed map.

    Raises:
      InputError: there is none, or something is there already.
    """
    from pathlib import Path

    from pipeline.errors import InputError

    if found is None:
        raise InputError(
            f"--write {file}: the columns have their meaning already, so there is no map to save"
        )
    try:
        with Path(file).open("x", encoding="utf-8") as opened:
            opened.write(found.yaml())
    except FileExistsError as error:
        raise InputError(f"--write {file}: is there already; name another file") from error
    except OSError as error:
        raise InputError(f"--write {file}: {error.strerror}") from error
    print(f"saved  {file}", file=sys.stderr)


def run_fetch(args: argparse.Namespace) -> int:
    from pathlib import Path

    from datasets.movielens.archive import FetchError
    from datasets.movielens.editions import BASE, EDITIONS, fetch_edition
    from pipeline.errors import MarqueeError
    from pipeline.terminal.typed import typed

    edition = EDITIONS[args.edition]
    path = Path(args.path or f"data/ml-{edition.name}")
    # On stderr: it is read before the data is used, and --json has stdout to itself.
    print(edition.licence, file=sys.stderr)
    try:
        fetch_edition(edition, path, _Progress(), args.base or BASE)
    except FetchError as error:
        raise MarqueeError(str(error)) from error
    if args.json:
        print_json({"edition": edition.name, "path": str(path), "licence": edition.licence})
    else:
        print(path)
        print(f"next  {typed('data', 'check', str(path))}")
    return 0


class _Progress:
    """How much has come: on one line of a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        import time

        live = sys.stderr.isatty()
        now, whole = time.monotonic(), done == total
        if now - self._last < (0.1 if live else _SECONDS_BETWEEN_LINES) and not whole:
            return
        self._last = now
        share = f" of {total / 1e6:,.1f} MB, {100 * done / total:.0f} %" if total else " MB"
        end = "\r" if live and not whole else "\n"
        print(f"{done / 1e6:,.1f}{share}", end=end, file=sys.stderr, flush=True)


def run_sample(args: argparse.Namespace) -> int:
    from datasets.generated import movielens_sample, shop_sample
    from pipeline.errors import InputError
    from pipeline.terminal.typed import typed

    path, items, events = _SIZES[args.kind]
    generate: Any = shop_sample.generate if args.kind == "shop" else movielens_sample.generate
    try:
        made = generate(
            args.path or path,
            args.users,
            items if args.items is None else args.items,
            events if args.ratings is None else args.ratings,
            args.seed,
        )
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from error
    if args.json:
        print_json({**dataclasses.asdict(made), "path": str(made.path)})
    elif args.kind == "shop":
        print(f"{made.path}: {made.users} users, {made.items} items, {made.events} events")
        print(f"next  {typed('run', '--config', 'shop', '--data', str(made.path))}")
    else:
        print(
            f"{made.path}: {made.users} users, {made.items} items, {made.ratings} ratings, {made.tags} tags"
        )
        print(f"next  {typed('run', '--data', str(made.path))}")
    return 0
