"""What the commands that ask a model have in common: its choice, and a quiet terminal."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import contract
from pipeline.ask import running_server
from pipeline.commands.common import add_config_arguments, load_config, open_store

if TYPE_CHECKING:
    from pipeline.ask.servable import Servable
    from pipeline.ask.user_timeline import Timeline
    from pipeline.config.sections import Config

_LOG = "ask.log"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument(
        "--model",
        choices=contract.MODELS,
        help=f"which of the two pushed models (default: {contract.MODEL_EXACT}, which searches exactly and "
        f"loads faster; with --server {contract.MODEL})",
    )
    parser.add_argument(
        "--version", type=int, metavar="N", help="a version of `marquee status` (default: the newest)"
    )
    server = parser.add_argument_group(
        "where the model answers",
        f"By default a server that is up at {running_server.ADDRESS} (`marquee serve`) answers, "
        "if it has the same version; else the model is loaded here.",
    )
    chosen = server.add_mutually_exclusive_group()
    chosen.add_argument("--local", action="store_true", help="load the model here, whatever servers are up")
    chosen.add_argument(
        "--server",
        metavar="ADDRESS",
        help="ask this one: http://host:8501 for REST, host:8500 or unix:PATH for gRPC (slower to start)",
    )
    server.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="for each request (default %(default)s)",
    )
    server.add_argument("--tls-ca", metavar="FILE", help="certificates to trust; turns TLS on for gRPC")
    server.add_argument("--tls-cert", metavar="FILE", help="our own certificate, for mutual TLS")
    server.add_argument("--tls-key", metavar="FILE", help="its key")


@contextlib.contextmanager
def pushed_model(args: argparse.Namespace, *signatures: str) -> Iterator[tuple[Config, Servable]]:
    """The model that the arguments name, with whatever TensorFlow prints kept in a log file.

    Args:
      args: of the command.
      signatures: those that are going to be asked.
    """
    from pipeline.terminal.output import logs_to_file

    config = load_config(args)
    with contextlib.ExitStack() as stack:
        if args.server is None:
            servable, note = _here(args, config, signatures, stack)
        else:
            # Importing the client's gRPC part already prints.
            with logs_to_file(Path(config.logs_dir) / _LOG):
                servable, note = _served(args, config, stack)
        if note:
            print(f"note: {note}", file=sys.stderr)  # stdout may have to be one JSON document
        stack.enter_context(logs_to_file(Path(config.logs_dir) / _LOG))
        yield config, servable


def _here(
    args: argparse.Namespace, config: Config, signatures: tuple[str, ...], stack: contextlib.ExitStack
) -> tuple[Servable, str]:
    """The newest pushed model: on the server that is up on this machine, else in this process."""
    from pipeline.ask.loaded import LoadedServable
    from pipeline.ask.pushed_files import choose

    model = args.model or contract.MODEL_EXACT
    version, note = choose(config.serving_dir, model, args.version)
    if not args.local:
        running, passed_over = running_server.find(version, model, args.timeout, stack)
        if running is not None:
            return running, note
        if passed_over:
            note = f"{note}; {passed_over}: loaded here" if note else f"{passed_over}: loaded here"
    return LoadedServable(version, model, signatures), note


def _served(args: argparse.Namespace, config: Config, stack: contextlib.ExitStack) -> tuple[Servable, str]:
    from pipeline.ask import remote
    from pipeline.ask.loaded import use_lean_tensorflow

    if not args.server.startswith("http"):
        # gRPC's messages are TensorFlow's.
        use_lean_tensorflow(config.artifacts_dir, config.serving_dir)
    client = stack.enter_context(
        remote.connect(
            args.server, args.model or contract.MODEL, args.timeout, args.tls_ca, args.tls_cert, args.tls_key
        )
    )
    return remote.served(client, args.version, config.serving_dir)


def timeline(config: Config, servable: Servable, user_id: str) -> Timeline | None:
    """The user's, as of the run that pushed the model; None for one who is not in the log.

    Raises:
      NoTimelinesError: the run or its artifacts are gone.
    """
    from pipeline.ask import user_timeline

    return user_timeline.find(open_store(config), config.name, servable.run_id, user_id)


def model_line(servable: Servable) -> str:
    where = f"at {servable.server}" if servable.server else "loaded here"
    return f"{servable.model} version {servable.version}, {where}"


def model_json(servable: Servable) -> dict[str, Any]:
    """`server` is the address of the one that answered, null where the model was loaded here."""
    return {"model": servable.model, "version": servable.version, "server": servable.server or None}
