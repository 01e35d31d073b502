"""What the commands that ask a model have in common: its choice, and a quiet terminal."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components import contract
from pipeline.commands.common import add_config_arguments, load_config, open_store

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.servable import Servable
    from pipeline.user_timeline import Timeline

_LOG = "ask.log"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument(
        "--model",
        choices=contract.MODELS,
        default=contract.MODEL_EXACT,
        help="which of the two pushed models (default %(default)s: exact search, loads faster)",
    )
    parser.add_argument(
        "--version", type=int, metavar="N", help="a version of `marquee status` (default: the newest)"
    )


@contextlib.contextmanager
def pushed_model(args: argparse.Namespace) -> Iterator[tuple[Config, Servable]]:
    """The model that the arguments name, with whatever TensorFlow prints kept in a log file."""
    from pipeline.servable import Servable, choose
    from pipeline.terminal import logs_to_file

    config = load_config(args)
    version, note = choose(config.serving_dir, args.model, args.version)
    if note:
        print(f"note: {note}", file=sys.stderr)  # stdout may have to be one JSON document
    with logs_to_file(Path(config.logs_dir) / _LOG):
        yield config, Servable(version, args.model)


def timeline(config: Config, servable: Servable, user_id: str) -> Timeline | None:
    """The user's, as of the run that pushed the model; None for one who is not in the log.

    Raises:
      NoTimelinesError: the run or its artifacts are gone.
    """
    from pipeline import user_timeline

    run_id = str(servable.record.get("run", ""))
    return user_timeline.find(open_store(config), config.name, run_id, user_id)


def model_line(servable: Servable) -> str:
    return f"{servable.model} version {servable.version}"


def model_json(servable: Servable) -> dict[str, Any]:
    return {"model": servable.model, "version": servable.version}
