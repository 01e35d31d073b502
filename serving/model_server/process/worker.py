"""A worker process: today's one-process server on shared ports. Started by the supervisor alone.

python -m serving.model_server.process.worker DESCRIPTOR
"""

from __future__ import annotations

import dataclasses
import pickle
import signal
import sys
from pathlib import Path

from serving.model_server.observe.metrics import Metrics, ProcessInfo
from serving.model_server.process import launch, server
from serving.model_server.process.shared_state import SharedState
from serving.model_server.process.siblings import Siblings, Start


async def work(start: Start) -> int:
    """Serves until SIGTERM, or until the supervisor is gone; returns the exit code."""
    state = SharedState(start.options.workers, start.state)
    siblings = Siblings(state, start.number, start.supervisor)
    options = start.options
    if start.number:  # processes cannot share a UNIX socket
        options = dataclasses.replace(options, admin_socket_path="")
    if (config := siblings.newest_config()) is not None:
        options = dataclasses.replace(options, config=config)

    def processes() -> list[ProcessInfo]:
        workers = range(state.processes)
        return [
            ProcessInfo("parent", start.supervisor),
            *(ProcessInfo(f"worker {n}", state.get("pid", n), state.get("restarts", n)) for n in workers),
        ]

    metrics = Metrics(start.metrics, start.number, processes)
    return await server.serve(options, metrics, lambda models: None, siblings)


def main() -> int:
    # Ctrl-C reaches the whole process group; the supervisor says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Until its log is open there is nothing to begin anew.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    launch.prepare_process()
    # Opened anew: all workers get the same file, and each reads it from its beginning.
    start: Start = pickle.loads(Path(f"/proc/self/fd/{int(sys.argv[1])}").read_bytes())
    import uvloop

    return uvloop.run(work(start))


if __name__ == "__main__":
    launch.leave(main())
