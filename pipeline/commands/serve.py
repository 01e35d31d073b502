"""`marquee serve`: the model server on what has been pushed."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from pipeline.commands.common import Subparsers, add_command, add_config_arguments, load_config

if TYPE_CHECKING:
    from serving.model_server.process.options import ServerOptions
    from serving.model_server.process.server import Ready

# Items of the request that is printed to be tried.
_TRIED = 3


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "serve",
        "Serve the newest pushed models over TensorFlow Serving's gRPC and REST; newer ones are picked up. "
        "Ctrl-C stops it.",
        "marquee serve --workers 2 --flag enable_grpc_healthcheck_service=true",
    )
    add_config_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8500, metavar="N", help="of gRPC (default %(default)s)")
    parser.add_argument(
        "--rest-port", type=int, default=8501, metavar="N", help="of REST (default %(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that share the ports (default 1)"
    )
    parser.add_argument(
        "--flag",
        metavar="NAME=VALUE",
        dest="flags",
        action="append",
        default=[],
        help="any other flag of the server (`python -m serving.model_server --help`); may be repeated",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from serving.model_server.process import launch, server

    config = load_config(args)
    options = _options(args, config.serving_dir)
    likes = _some_items(config.serving_dir)

    def on_ready(ready: Ready) -> None:
        if args.json:
            print(json.dumps(dataclasses.asdict(ready)), flush=True)
            return
        server.print_ready(ready)
        if ready.rest:
            print(f"try    {_curl(ready, likes)}", flush=True)

    launch.prepare_process()
    launch.leave(launch.run(options, on_ready))


def _options(args: argparse.Namespace, serving_dir: str) -> ServerOptions:
    from pipeline.errors import InputError
    from serving.model_server.process import options
    from serving.protocol.errors import StatusError

    flags = [
        f"--host={args.host}",
        f"--port={args.port}",
        f"--rest_api_port={args.rest_port}",
        f"--workers={args.workers}",
        *(f"--{flag}" for flag in args.flags),
    ]
    try:
        return options.parse(flags, {}, _pushed(serving_dir))
    except options.UsageError as error:
        raise InputError(str(error)) from error
    except StatusError as error:
        raise InputError(error.message) from error


def _pushed(serving_dir: str) -> dict[str, str]:
    """Base paths of the models that have been pushed, by name."""
    import contract
    from components.common import storage
    from components.pusher import versions
    from pipeline.errors import InputError
    from pipeline.terminal.typed import typed

    found = {
        name: storage.join(serving_dir, name)
        for name in contract.MODELS
        if versions.numbers(serving_dir, name)
    }
    if not found:
        raise InputError(
            f"no model has been pushed to {serving_dir} yet; `{typed('run')}` trains and pushes one"
        )
    return found


def _some_items(serving_dir: str) -> list[str]:
    """Ids of the most popular items, for a request that can be tried."""
    from components.pusher import versions
    from pipeline.ask.pushed_files import PushedFiles

    newest = versions.latest(serving_dir)
    return [item_id for item_id, _ in PushedFiles(newest.path).popular(_TRIED)] if newest else []


def _curl(ready: Ready, likes: list[str]) -> str:
    import contract

    url = ready.rest.replace("//0.0.0.0:", "//localhost:").replace("//[::]:", "//localhost:")
    body = json.dumps({"instances": [{contract.HISTORY_ITEM_IDS: likes}]})
    return f"curl -d '{body}' {url}/v1/models/{next(iter(ready.models))}:predict"
