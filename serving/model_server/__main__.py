"""`python -m serving.model_server`: TensorFlow Serving's command line."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import NoReturn

from serving.model_server.process import options
from serving.protocol.errors import StatusError

_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the server; returns its exit code: 0 stopped, 1 could not serve, 2 wrong command line."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--help" in arguments:
        print(options.usage())
        return 0
    if "--version" in arguments or "--version=true" in arguments:
        print(
            f"Marquee model server: {_installed('marquee')}\nTensorFlow Library: {_installed('tensorflow')}"
        )
        return 0
    try:
        parsed = options.parse(arguments)
    except options.UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return _USAGE
    except StatusError as error:
        print(f"Failed to start server. Error: {error}", file=sys.stderr)
        return 1
    prepare_process()
    from serving.model_server.process import server

    return server.run(parsed)


def prepare_process() -> None:
    """Logging of a process that does nothing but serve."""
    # TensorFlow's own notes on CPU features and missing GPUs would bury ours.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s", stream=sys.stderr
    )
    logging.getLogger("tensorflow").setLevel(logging.WARNING)


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed as a package"


def leave(code: int) -> NoReturn:
    """Ends the process now: threads of TensorFlow, or of a request that was cut off, must not hold it up."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
