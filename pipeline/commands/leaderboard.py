"""`marquee leaderboard`: the two-tower beside other models on the same split."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from leaderboard.registry import NAMES
from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    finite,
    load_config,
    print_json,
)

if TYPE_CHECKING:
    from leaderboard.protocols import Protocol
    from leaderboard.run import Board

# As leaderboard.protocols has them; a test compares, so that --help imports nothing heavy.
PROTOCOLS = ("user-time", "global-time", "random", "time-ratings", "leave-last-out")
_SECONDS_BETWEEN_LINES = 10.0
_LEAVE_LAST_OUT = PROTOCOLS[4]
# Where the preset of larger logs is taken of itself: train events, and of them for each item.
_LARGE, _LARGE_EVENTS, _LARGE_EVENTS_PER_ITEM = "large", 50_000, 30


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "leaderboard",
        "Fit models on one split, each tuned with the same number of trials, and compare them: table, "
        "report.json, report.csv and report.svg. What is finished is kept: the same command goes on where "
        "one broke off.",
        "marquee leaderboard --data data/ml-latest-small --models popularity,ease,two_tower --trials 4",
    )
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, default=PROTOCOLS[0], metavar="NAME",
        help=f"how events are cut and what is measured: {', '.join(PROTOCOLS)} (default %(default)s; "
        "docs/reference/leaderboard.md describes them)",
    )  # fmt: skip
    parser.add_argument(
        "--data", metavar="PATH", help="MovieLens folder, file of `user item` lines, or your own log"
    )
    parser.add_argument(
        "--models", metavar="NAMES",
        help=f"separated by commas (default: all that the protocol can measure): {', '.join(NAMES)}",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=int, metavar="N",
        help="fits of each model that draws, seeds 1 to N (default 3; 1 for leave-last-out)",
    )  # fmt: skip
    parser.add_argument(
        "--trials", type=int, metavar="N",
        help="hyperparameter combinations tried for each model, 1 = its defaults "
        "(default 8; 1 for leave-last-out)",
    )  # fmt: skip
    parser.add_argument(
        "--tune-on", metavar="METRIC", help="of eval (default recall@20, or rmse where ratings are predicted)"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="where the report goes (default: leaderboard in the artifacts root)"
    )
    add_config_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from components.example_gen.errors import DataError
    from leaderboard import registry, report
    from pipeline.errors import InputError, MarqueeError
    from pipeline.terminal.output import logs_to_file

    overrides = [*args.overrides, *([f"data={args.data}"] if args.data else [])]
    config = load_config(argparse.Namespace(config=args.config, overrides=overrides))
    names = _models(args)
    # Leave-last-out is for large files, where one fit takes most of an hour.
    large_files = args.protocol == _LEAVE_LAST_OUT
    if args.trials is None:
        args.trials = 1 if large_files else 8
    if args.seeds is None:
        args.seeds = 1 if large_files else 3
    if registry.OURS in names and config.model.kind != registry.OURS and args.trials > 1:
        raise InputError(
            f"{registry.OURS} stands for the pipeline's model, of kind {config.model.kind} here, and "
            "what is tuned of it is the towers'; expected --trials 1"
        )
    folder = Path(args.out or Path(config.local_dir) / "leaderboard").absolute() / args.protocol
    log = folder / "leaderboard.log"
    try:
        with logs_to_file(log, terminal_descriptor=2) as terminal:
            board = _board(args, config, names, folder, terminal)
    except (DataError, ValueError) as error:
        raise InputError(str(error)) from error
    except FloatingPointError as error:
        raise MarqueeError(str(error)) from error
    text, document = _text(board), finite(report.as_dict(board))
    (folder / report.JSON).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    (folder / report.TEXT).write_text(text + "\n")
    report.figures(board).to_csv(folder / report.TABLE, index=False)
    (folder / report.PLOT).write_text(report.svg(board))
    if args.json:
        print_json(document)
    else:
        print(f"{text}\n\nwritten {folder / report.JSON}, {report.TEXT}, {report.TABLE}, {report.PLOT}")
    return 0


def _models(args: argparse.Namespace) -> tuple[str, ...]:
    from leaderboard.protocols import BY_RATINGS
    from leaderboard.registry import RATING
    from pipeline.errors import InputError

    by_ratings = args.protocol in BY_RATINGS
    if args.models is None or args.models == "all":
        return RATING if by_ratings else NAMES
    names = tuple(name.strip() for name in args.models.split(","))
    for name in names:
        if name not in NAMES:
            raise InputError(f"there is no model {name!r}; the models are {', '.join(NAMES)}")
        if by_ratings and name not in RATING:
            raise InputError(
                f"{name} predicts no ratings, which {args.protocol} measures; those that do are "
                f"{', '.join(RATING)}"
            )
    return names


def _board(
    args: argparse.Namespace, config: Any, names: tuple[str, ...], folder: Any, terminal: TextIO
) -> Board:
    from components.common import progress
    from components.common.metrics import names as metrics
    from components.example_gen.fingerprint import fingerprint
    from leaderboard import protocols, registry
    from leaderboard import run as leaderboard
    from leaderboard.fits import Fits
    from pipeline.runs import data

    source = data.resolve(config)
    path, config = source.path, source.applied(config)
    by_ratings = args.protocol in protocols.BY_RATINGS
    leaderboard.check(by_ratings, names, args.trials, args.seeds)
    protocol = protocols.load(path, args.protocol, config.example_gen)
    lines = _Lines(terminal)
    towers = registry.OURS in names and config.model.kind == registry.OURS
    if towers and args.config is None and _is_large(protocol):
        lines.say(
            f"{registry.OURS}: the preset {_LARGE}, for a log of this size; "
            "--config reference takes the default's towers"
        )
        config = load_config(argparse.Namespace(config=_LARGE, overrides=args.overrides))
    sections = {name: getattr(config, name).model_dump() for name in ("model", "trainer", "transform")}
    settings = leaderboard.Settings(
        models=names,
        seeds=tuple(range(1, args.seeds + 1)),
        trials=args.trials,
        tune_on=args.tune_on or (metrics.RMSE if by_ratings else metrics.RECALL_20),
        hyperparameters={registry.OURS: sections},
    )
    fits = Fits(
        folder / "fits",
        {
            "protocol": args.protocol,
            "data": fingerprint(str(path), config.example_gen),
            "reading": config.example_gen.to_json(),
        },
        _sources(names),
    )
    progress.set_listener(lines.progress)
    try:
        board = leaderboard.run(protocol, settings, fits, lines.say)
    finally:
        progress.set_listener(None)
    if fits.remembered:
        lines.say(f"{fits.remembered} fits were remembered from an earlier run in {folder / 'fits'}")
    return board


def _sources(names: Iterable[str]) -> dict[str, str]:
    """Model -> hash of what its fit runs and reads."""
    from leaderboard import fits, registry
    from pipeline.code_hash import code_hash

    # The models are found by name: no import leads from a fit to its model.
    return {
        name: code_hash([fits.__name__, registry.module_name(name)], registry.data(name)) for name in names
    }


def _is_large(protocol: Protocol) -> bool:
    """Whether leave-last-out is of a log that has the events a transformer wants."""
    events, items = len(protocol.final.train.rows), protocol.final.catalogue.size
    large = events >= max(_LARGE_EVENTS, _LARGE_EVENTS_PER_ITEM * items)
    return protocol.name == _LEAVE_LAST_OUT and large


class _Lines:
    """What is finished, a line each; and now and then how far a fit has come."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._last = 0.0

    def say(self, line: str) -> None:
        print(line, file=self._terminal, flush=True)

    def progress(self, done: int, total: int, text: str) -> None:
        import time

        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            self.say(f"    {done:,}/{total:,}  {text}")


def _text(board: Board) -> str:
    from leaderboard import report
    from pipeline.terminal.table import table

    parts = [f"{board.protocol.name}: {board.protocol.description}", table(*report.rows(board, "all"))]
    if board.protocol.final.confirmatory.any():
        parts += ["confirmatory users, whom tuning never saw:", table(*report.rows(board, "confirmatory"))]
    return "\n\n".join([*parts, "\n".join(report.sentences(board))])
