"""`marquee run`, killed with SIGKILL in one component: run_and_kill.py NODE WHEN -- ARGS.

WHEN: `during` kills shortly after the executor has started; `after` kills when
it has done all its work but nothing is recorded yet.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def main() -> None:
    node, when, _, *args = sys.argv[1:]

    from tfx.orchestration.portable import python_executor_operator

    original = python_executor_operator.run_with_executor

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def run_with_executor(execution_info, executor):  # type: ignore[no-untyped-def]
        if execution_info.pipeline_node.node_info.id != node:
            return original(execution_info, executor)
        if when == "during":
            threading.Timer(0.05, die).start()
        result = original(execution_info, executor)
        if when == "after":
            die()
        threading.Event().wait()  # a very quick executor: the timer is about to fire
        return result

    python_executor_operator.run_with_executor = run_with_executor
    from pipeline.cli import main as marquee

    sys.exit(marquee(args))


if __name__ == "__main__":
    main()
