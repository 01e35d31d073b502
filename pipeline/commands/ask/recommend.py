"""`marquee recommend`: items for a user of the log, or for a few likes and tastes."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from pipeline.ask.session import add_model_arguments, model_json, model_line, pushed_model, timeline
from pipeline.commands.common import Subparsers, add_command, print_json

if TYPE_CHECKING:
    from components.common.features import Features
    from pipeline.ask.recommendation import Answer, Request
    from pipeline.ask.servable import Servable

_SHOWN_REASONS = 3


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "recommend",
        "Recommend items by the newest pushed model: titles, scores and why.",
        'marquee recommend --likes "Toy Story, Heat=4" --taste "Action=5,Comedy=3" --k 5',
    )
    who = parser.add_argument_group("by what (any of them, also together)")
    who.add_argument("--user", metavar="ID", help="a user of the log")
    who.add_argument(
        "--likes",
        metavar="TITLES",
        action="append",
        default=[],
        help="items separated by comma or semicolon, each with =RATING on the data's scale (default the "
        "highest), or =WEIGHT of a log without ratings (default 1); may be repeated",
    )
    who.add_argument(
        "--taste",
        metavar="GENRES",
        action="append",
        default=[],
        help='weights of genres (or of what tastes are in in your own data), "Action=5,Comedy=3"',
    )
    what = parser.add_argument_group("of what")
    what.add_argument("--k", type=int, default=10, metavar="N", help="how many (default %(default)s)")
    what.add_argument(
        "--exclude", metavar="TITLES", action="append", default=[], help="items not to show, as in --likes"
    )
    what.add_argument(
        "--genres", metavar="GENRES", action="append", default=[], help='any of these: "Drama,War"'
    )
    what.add_argument("--year-min", type=int, default=0, metavar="YEAR", help="not older than this")
    what.add_argument("--year-max", type=int, default=0, metavar="YEAR", help="not newer than this")
    what.add_argument(
        "--where",
        metavar="CONDITION",
        action="append",
        default=[],
        help='a column that the data has: "brand=acme", "price<=20"; may be repeated: any of the values of '
        "one column, both bounds of a number, all columns",
    )
    what.add_argument(
        "--not",
        dest="unwanted",
        metavar="COLUMN=VALUE",
        action="append",
        default=[],
        help='a value that a column must not have: "genres=Horror"; may be repeated; the same as '
        '--where "genres!=Horror"',
    )
    what.add_argument(
        "--only", metavar="TITLES", action="append", default=[], help="rank these items alone, as in --likes"
    )
    what.add_argument(
        "--at-most",
        metavar="COLUMN=COUNT",
        action="append",
        default=[],
        help='no more results with the same value of a column: "brand=3"; may be repeated',
    )
    what.add_argument(
        "--boost",
        metavar="TITLES",
        action="append",
        default=[],
        help='items, each with =AMOUNT, which is added to its score: "Heat=0.2, Toy Story=-1"',
    )
    what.add_argument(
        "--diversity", type=float, default=0.0, metavar="SHARE", help="0 = the best, 1 = the most varied"
    )
    what.add_argument("--exact", action="store_true", help="exact search, with --model marquee too")
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import contract
    from pipeline.ask.recommendation import recommend, signature
    from pipeline.errors import InputError

    if args.user is None and not args.likes and not args.taste:
        raise InputError('nothing to recommend by; give --user ID, --likes "Toy Story" or --taste "Action=5"')
    if args.k < 1:
        raise InputError(f"--k must be at least 1, got {args.k}")
    if not all(condition.strip() for condition in args.where):
        raise InputError('--where "" is no condition; expected one such as "brand=acme" or "price<=20"')
    if not all(count.strip() for count in args.at_most):
        raise InputError('--at-most "" is no count; expected one such as "brand=3"')
    # Without a history there are no reasons to be asked for.
    reasons = [contract.EXPLAIN] if args.user is not None or args.likes else []
    with pushed_model(args, signature(args.exact), *reasons) as (config, servable):
        request = _request(args, servable)
        answer = recommend(servable, request, lambda user_id: timeline(config, servable, user_id))
    if args.json:
        print_json(_as_json(servable, request, answer))
    else:
        _show(servable, request, answer)
    return 0


def _request(args: argparse.Namespace, servable: Servable) -> Request:
    from pipeline.ask import genres
    from pipeline.ask.recommendation import Request

    wanted = (*args.where, *map(_refused, args.unwanted))
    return Request(
        user_id=args.user,
        likes=tuple(
            (item, _mark(item.label, mark, servable.features)) for item, mark in _items(servable, args.likes)
        ),
        tastes=genres.parse_tastes(args.taste, servable.taste_words, servable.taste_name, servable.noun),
        k=args.k,
        exclude=tuple(item for item, _ in _items(servable, args.exclude)),
        genres=tuple(genres.parse(args.genres, servable.genres, noun=servable.noun)),
        year_min=args.year_min,
        year_max=args.year_max,
        where=tuple(genres.parse_conditions(wanted, servable.values_of, servable.noun)),
        only=tuple(item for item, _ in _items(servable, args.only)),
        at_most=tuple(args.at_most),
        boosts=tuple((item, _boost(item.label, mark)) for item, mark in _items(servable, args.boost)),
        diversity=args.diversity,
        exact=args.exact,
    )


def _items(servable: Servable, texts: list[str]) -> list[tuple[Any, str]]:
    return [found for text in texts for found in servable.titles.find_all(text)]


def _refused(text: str) -> str:
    """COLUMN=VALUE as the condition that an item has not that value."""
    from pipeline.errors import InputError

    name, sign, value = text.partition("=")
    if not (sign and name.strip() and value.strip()) or name[-1] in "<>!":
        raise InputError(f'--not "{text}": expected COLUMN=VALUE, such as "genres=Horror"')
    return f"{name}!={value}"


def _boost(label: str, mark: str) -> float:
    from pipeline.errors import InputError

    try:
        return float(mark)
    except ValueError:
        raise InputError(
            f'--boost "{label}={mark}": expected a number that is added to its score, such as "{label}=0.2"'
        ) from None


def _mark(label: str, mark: str, features: Features) -> float:
    """Of a like: its stars, or its weight in a log without ratings; the best if it is not given."""
    from pipeline.errors import InputError

    low, high = (0.0, 1.0) if features.implicit else features.rating_scale
    try:
        found = float(mark or high)
    except ValueError:
        found = math.nan
    if features.implicit and not low < found <= high:
        raise InputError(f'"{label}={mark}": expected a weight above 0, and at most 1, such as "{label}=0.5"')
    if not low <= found <= high:
        unit = " stars" if features.scale.in_stars else ""
        example = round(low + 0.8 * (high - low))
        raise InputError(f'"{label}={mark}": expected {low:g} to {high:g}{unit}, such as "{label}={example}"')
    return found if features.implicit else float(features.scale.stars(found))


def _note(noun: str, request: Request, answer: Answer) -> str:
    """What the reader must know of the list, "" if nothing."""
    from contract.nouns import counted

    parts = []
    if answer.known_user is False:
        parts.append(f"user {request.user_id} is not in the log that this model was trained on")
    if answer.popular:
        parts.append("this is the popular list, the same for everybody")
    elif answer.known_user is False:
        parts.append("this rests on the likes and tastes alone")
    elif answer.history is None:
        parts.append(
            "the run's timelines are gone, so this rests on the history that the model carries, "
            "which may lack the newest ratings"
        )
    if len(answer.results) < request.k:
        left = counted(len(answer.results), noun)
        parts.append(f"the filters leave only {left}" if answer.results else f"no {noun} meets the filters")
    return "; ".join(parts)


def _as_json(servable: Servable, request: Request, answer: Answer) -> dict[str, Any]:
    from pipeline.ask import item_list

    return {
        **model_json(servable),
        "user": request.user_id,
        "known_user": answer.known_user,
        "popular": answer.popular,
        "note": _note(servable.noun, request, answer),
        "likes": [
            {
                **item_list.as_json(item),
                **(
                    {"weight": mark}
                    if servable.features.implicit
                    else {"rating": servable.features.scale.rating(mark)}
                ),
            }
            for item, mark in request.likes
        ],
        "taste": request.tastes,
        "results": [
            {
                "rank": rank,
                **item_list.as_json(result.item),
                "score": result.score,
                "why": {
                    "history": [
                        {**item_list.as_json(item), "weight": weight} for item, weight in result.because_of
                    ],
                    "taste": list(result.in_taste),
                },
            }
            for rank, result in enumerate(answer.results, start=1)
        ],
    }


def _show(servable: Servable, request: Request, answer: Answer) -> None:
    from pipeline.ask import item_list

    for_whom = []
    if request.user_id is not None:
        for_whom.append(f"user {request.user_id}")
    if request.likes:
        own = (lambda weight: weight) if servable.features.implicit else servable.features.scale.rating
        likes = (f"{item.label} {own(mark):g}" for item, mark in request.likes)
        for_whom.append("who likes " + ", ".join(likes))
    if request.tastes:
        for_whom.append(
            "who wants " + ", ".join(f"{genre} {weight:g}" for genre, weight in request.tastes.items())
        )
    print(f"for {'; '.join(for_whom)}  ({model_line(servable)})")
    if note := _note(servable.noun, request, answer):
        print(f"note: {note}")
    print()
    rows = []
    header, cells = item_list.known_of([result.item for result in answer.results])
    for rank, (result, known) in enumerate(zip(answer.results, cells, strict=True), start=1):
        reasons = [f"{item.label} {weight:+.3f}" for item, weight in result.because_of[:_SHOWN_REASONS]]
        if result.in_taste:
            reasons.append(f"taste: {', '.join(result.in_taste)}")
        rows.append(
            (
                str(rank),
                result.item.title,
                *known,
                f"{result.score:.4f}",
                "popular" if answer.popular else "; ".join(reasons) or "-",
            )
        )
    item_list.print_table(("#", "title", *header, "score", "why"), rows, ("#", "year", "score"))
