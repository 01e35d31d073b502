"""`marquee similar`: the nearest items in the embedding space."""

from __future__ import annotations

import argparse

from pipeline.ask.session import add_model_arguments, model_json, model_line, pushed_model
from pipeline.commands.common import Subparsers, add_command, print_json


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "similar",
        "List the items most similar to one, by the newest pushed model.",
        'marquee similar "The Matrix" --k 5',
    )
    parser.add_argument(
        "title", nargs="+", metavar="TITLE", help='a title, "Heat (1995)" if the year is needed, or id:6'
    )
    parser.add_argument("--k", type=int, default=10, metavar="N", help="how many (default %(default)s)")
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import contract
    from pipeline.ask import item_list
    from pipeline.ask.recommendation import scored
    from pipeline.errors import InputError

    if args.k < 1:
        raise InputError(f"--k must be at least 1, got {args.k}")
    with pushed_model(args, contract.SIMILAR) as (_, servable):
        item = servable.titles.find(" ".join(args.title))
        answer = servable.ask(contract.SIMILAR, **{contract.ITEM_ID: item.item_id, contract.K: args.k})
        results = scored(servable, answer)
    if args.json:
        print_json(
            {
                **model_json(servable),
                "item": item_list.as_json(item),
                "results": [
                    {"rank": rank, **item_list.as_json(found), "score": score}
                    for rank, (found, score) in enumerate(results, start=1)
                ],
            }
        )
        return 0
    names, (of_this, *cells) = item_list.known_of([item, *(found for found, _ in results)])
    known = f", {of_this[-1]}" if of_this else ""
    print(f"similar to {item.label}{known}  ({model_line(servable)})\n")
    rows = [
        (str(rank), found.title, *known, f"{score:.4f}")
        for rank, ((found, score), known) in enumerate(zip(results, cells, strict=True), start=1)
    ]
    item_list.print_table(("#", "title", *names, "score"), rows, ("#", "year", "score"))
    return 0
