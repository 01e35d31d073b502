"""Starts a server: one process, or a supervisor with several."""

from __future__ import annotations

import functools
import logging
import os
import sys
from typing import NoReturn

from serving.model_server.observe.metrics import Metrics
from serving.model_server.process import server
from serving.model_server.process.options import ServerOptions
from serving.model_server.process.ports import PortInUseError, Reservation
from serving.model_server.process.supervisor import Supervisor


def prepare_process() -> None:
    """Logging of a process that does nothing but serve."""
    # TensorFlow's own notes on CPU features and missing GPUs would drown ours.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s", stream=sys.stderr
    )
    logging.getLogger("tensorflow").setLevel(logging.WARNING)


def run(options: ServerOptions, on_ready: server.OnReady = server.print_ready) -> int:
    """Serves until SIGTERM or Ctrl-C; returns the exit code.

    Args:
      options: what to serve and where.
      on_ready: called once every process answers.
    """
    server.announce(options)
    try:
        reserved = Reservation(options)
    except PortInUseError as error:
        print(f"error: {error}", file=sys.stderr)
        return server.FAILED
    ready = functools.partial(_ready, options, on_ready)
    try:
        if options.workers > 1:
            return Supervisor(options, ready).run()
        import uvloop

        return uvloop.run(server.serve(options, Metrics(), lambda models: ready(models, [os.getpid()])))
    finally:
        reserved.close()


def _ready(
    options: ServerOptions, on_ready: server.OnReady, models: dict[str, tuple[int, ...]], pids: list[int]
) -> None:
    on_ready(server.is_ready(options, models, pids))


def leave(code: int) -> NoReturn:
    """Ends the process now: threads of TensorFlow, or of a request that was cut off, must not hold it up."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
