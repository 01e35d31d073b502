"""`python -m serving.model_server`: TensorFlow Serving's command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata

from serving.model_server.process import launch, options
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
    launch.prepare_process()
    return launch.run(parsed)


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed as a package"


if __name__ == "__main__":
    launch.leave(main())
