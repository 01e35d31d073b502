"""`marquee data sample`: a MovieLens-shaped set of any size."""

from __future__ import annotations

import argparse

from pipeline.commands.common import Subparsers, add_command, print_json

_EXAMPLE = "marquee data sample data/sample --users 600 --movies 3000 --ratings 60000 --seed 7"


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "data",
        help="Make data to try things on.",
        description="Make data to try things on.",
        epilog=f"example:\n  {_EXAMPLE}\n\nmarquee data ACTION --help shows an action's own arguments.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    sample = add_command(
        actions,
        "sample",
        "Generate ratings, movies and tags in MovieLens's layout, with structure that can be learnt.",
        _EXAMPLE,
    )
    sample.add_argument(
        "path", nargs="?", default="data/sample", help="folder to write (default %(default)s)"
    )
    sample.add_argument("--users", type=int, default=600, metavar="N", help="default %(default)s")
    sample.add_argument("--movies", type=int, default=3000, metavar="N", help="default %(default)s")
    sample.add_argument("--ratings", type=int, default=60_000, metavar="N", help="default %(default)s")
    sample.add_argument(
        "--seed", type=int, default=7, metavar="N", help="same seed, same bytes; default %(default)s"
    )
    sample.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import dataclasses

    from components.example_gen.sample import generate
    from pipeline.errors import InputError
    from pipeline.typed import typed

    try:
        made = generate(args.path, users=args.users, movies=args.movies, ratings=args.ratings, seed=args.seed)
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from error
    if args.json:
        print_json({**dataclasses.asdict(made), "path": str(made.path)})
    else:
        print(
            f"{made.path}: {made.users} users, {made.movies} movies, {made.ratings} ratings, {made.tags} tags"
        )
        print(f"next  {typed('run', '--data', str(made.path))}")
    return 0
