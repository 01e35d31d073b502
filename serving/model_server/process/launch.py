"""Starts a server: one process, or a supervisor with several."""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import resource
import signal
import sys
from typing import NoReturn

from serving.model_server.observe import access_log
from serving.model_server.observe.metrics import Metrics
from serving.model_server.process import server
from serving.model_server.process.options import ServerOptions
from serving.model_server.process.ports import PortInUseError, Reservation
from serving.model_server.process.supervisor import Supervisor

_PR_SET_PDEATHSIG = 1

_DESCRIPTORS = 1 << 16


def prepare_process() -> None:
    """Logging, rights and descriptors of a process that does nothing but serve."""
    # What it writes (access log, request log) is about people: not for everybody on the machine.
    os.umask(os.umask(0o027) | 0o027)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A shell's 1024 are used up by a thousand silent connections.
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _DESCRIPTORS)), hard))
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
    if options.parent_pid and not _bind_to_parent(options.parent_pid):
        print(
            f"error: --parent_pid: process {options.parent_pid} is not this server's parent", file=sys.stderr
        )
        return server.FAILED
    try:
        # Here alone: a worker that is started anew must not end because of a folder that is gone meanwhile.
        access_log.check(options.access_log)
    except OSError as error:
        print(
            f"error: --access_log: {options.access_log} cannot be written: {error.strerror}; "
            "make its folder, or name another file",
            file=sys.stderr,
        )
        return server.FAILED
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


def _bind_to_parent(pid: int) -> bool:
    """Has the kernel send SIGTERM when the parent ends; False if that is not, or no longer, `pid`.

    See prctl(2), PR_SET_PDEATHSIG: the parent is the thread that started this process.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    return os.getppid() == pid


def _ready(
    options: ServerOptions, on_ready: server.OnReady, models: dict[str, tuple[int, ...]], pids: list[int]
) -> None:
    on_ready(server.is_ready(options, models, pids))


def leave(code: int) -> NoReturn:
    """Ends the process now: threads of TensorFlow, or of a request that was cut off, must not hold it up."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
