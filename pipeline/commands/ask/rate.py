"""`marquee rate`: the stars that a model predicts, beside those that were given."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from pipeline.ask.session import add_model_arguments, model_json, model_line, pushed_model, timeline
from pipeline.commands.common import Subparsers, add_command, print_json

if TYPE_CHECKING:
    from pipeline.ask.servable import Servable
    from pipeline.ask.user_timeline import Timeline


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "rate",
        "Predict a user's test ratings, which no model has seen, from what came before them.",
        "marquee rate --user 1",
    )
    parser.add_argument("--user", required=True, metavar="ID", help="a user of the log")
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import contract
    from contract.nouns import counted
    from pipeline.ask import item_list
    from pipeline.errors import InputError
    from pipeline.terminal.typed import typed

    with pushed_model(args, contract.RATE) as (config, servable):
        if servable.features.implicit:
            raise InputError(
                "this model was trained on events without ratings, so it predicts none; "
                f"`{typed('recommend', '--user', args.user)}` asks what it is for"
            )
        found = timeline(config, servable, args.user)
        if found is None:
            raise InputError(f"user {args.user} is not in the log that this model was trained on")
        if not found.targets:
            raise InputError(
                f"user {args.user} has {counted(len(found.history), 'rating')}, too few to hold any back for "
                "the test"
            )
        predicted = predict(servable, args.user, found)
    own = servable.features.scale.rating
    pairs = [
        (servable.item(item_id), own(rated), None if stars is None else own(stars))
        for item_id, rated, stars in zip(
            found.targets.item_ids, found.targets.ratings, predicted, strict=True
        )
    ]
    errors = [stars - rated for _, rated, stars in pairs if stars is not None]
    rmse = math.sqrt(math.fsum(e * e for e in errors) / len(errors)) if errors else math.nan
    mae = math.fsum(map(abs, errors)) / len(errors) if errors else math.nan
    if args.json:
        print_json(
            {
                **model_json(servable),
                "user": args.user,
                "history": len(found.history),
                "ratings": [
                    {**item_list.as_json(item), "rated": rated, "predicted": stars}
                    for item, rated, stars in pairs
                ],
                "rmse": rmse,
                "mae": mae,
                "count": len(errors),
            }
        )
        return 0
    print(
        f"user {args.user}: {len(pairs)} test ratings, predicted from the {len(found.history)} before them"
        f"  ({model_line(servable)})\n"
    )
    names, cells = item_list.known_of([item for item, _, _ in pairs])
    rows = [
        (
            item.title,
            *known,
            f"{rated:.1f}",
            "-" if stars is None else f"{stars:.1f}",
            "-" if stars is None else f"{stars - rated:+.1f}",
        )
        for (item, rated, stars), known in zip(pairs, cells, strict=True)
    ]
    header = ("title", *names, "rated", "predicted", "error")
    item_list.print_table(header, rows, ("year", "rated", "predicted", "error"))
    print(f"\nRMSE {rmse:.4f}, MAE {mae:.4f} over {counted(len(errors), servable.noun)}")
    if len(errors) < len(pairs):
        new = counted(len(pairs) - len(errors), servable.noun)
        print(f"note: {new} of these are new to the model, which rates them not at all")
    return 0


def predict(servable: Servable, user_id: str, timeline: Timeline) -> list[float | None]:
    """Stars for each of the user's targets; None for an item that the model does not know."""
    import contract

    history = timeline.history
    query = {
        **history.newest(servable.limit("max_history") or len(history)).as_inputs(),
        contract.USER_ID: user_id,
    }
    ids = timeline.targets.item_ids
    at_once = servable.limit("max_items") or len(ids)
    stars: list[float | None] = []
    for start in range(0, len(ids), at_once):
        asked = list(ids[start : start + at_once])
        answer = servable.ask(contract.RATE, **query, **{contract.ITEM_IDS: asked})
        # 0 stands for an item the model does not know.
        stars += [float(value) or None for value in answer[contract.RATINGS]]
    return stars
