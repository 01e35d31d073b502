"""Python commands without the ten seconds that importing TensorFlow, TFX and Beam takes.

A server process imports third-party packages once; each command is a fork of it that imports the
sources under test afresh, in a folder, with an environment and with files as stdout and stderr of its
own. It is multiprocessing's fork server, which ends with the process that started it.

What differs from a real process: the order of sets of strings (all forks share the server's hash seed)
and what the packages print while they are imported. So one real process for each command stays among
the tests, and a test that sets a variable which the packages read at import starts one too.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import json
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# In the order in which they can be imported; none holds sources of this project.
PRELOADED = (
    "scann",
    "tensorflow",
    "tensorflow_recommenders",
    "tf_keras",
    "apache_beam",
    "tfx.v1",
    "tfx.components.trainer.executor",
    "tfx.orchestration.local.runner_utils",
    "tfx.orchestration.portable.launcher",
    "tensorflow_data_validation",
    "tensorflow_model_analysis",
    "tensorflow_transform",
    "pyarrow.csv",
    "pyarrow.parquet",
    "scipy.sparse.linalg",
    "pydantic",
    "rich.progress",
    "aiohttp",
)

_context = multiprocessing.get_context("forkserver")


@dataclasses.dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


def run(
    arguments: Sequence[str], cwd: Path | str, env: Mapping[str, str] = os.environ, timeout: float = 600
) -> Finished:
    """What `python ARGUMENTS` does.

    Args:
      arguments: `-m MODULE ...`, `-c CODE ...` or `SCRIPT ...`.
      env: the whole environment; variables that a package reads while it is imported come too late.

    Returns:
      exit code (-N: killed by signal N), stdout and stderr.

    Raises:
      subprocess.TimeoutExpired: it was killed after `timeout` seconds.
    """
    _start_server()
    with tempfile.TemporaryDirectory(prefix="marquee-fork-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _context.Process(
            target=_child, args=(list(arguments), str(cwd), dict(env), str(out), str(err), _search_path())
        )
        process.start()
        try:
            process.join(timeout)
            if process.is_alive():
                raise subprocess.TimeoutExpired(list(arguments), timeout, _read(out), _read(err))
        finally:
            process.kill()
            process.join()
        code = process.exitcode
        process.close()
        assert code is not None
        return Finished(code, _read(out), _read(err))


def run_process(
    arguments: Sequence[str], cwd: Path | str, env: Mapping[str, str] = os.environ, timeout: float = 600
) -> Finished:
    """The same in a new interpreter."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout,
        check=False,
    )  # fmt: skip
    return Finished(done.returncode, done.stdout, done.stderr)


def _read(path: Path) -> str:
    # A child that is killed at once has not opened its files yet.
    return path.read_text(errors="replace") if path.exists() else ""


def _start_server() -> None:
    from multiprocessing import forkserver

    # components/__init__.py sets it for whatever imports tf.keras; the server imports no components.
    before = os.environ.get("TF_USE_LEGACY_KERAS")
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    try:
        _context.set_forkserver_preload(list(PRELOADED))
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["TF_USE_LEGACY_KERAS"]


@functools.cache
def _search_path() -> list[str]:
    """sys.path of an interpreter without PYTHONPATH and without a folder to start in."""
    code = "import json, sys; print(json.dumps(sys.path))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _child(
    arguments: list[str], cwd: str, env: dict[str, str], out: str, err: str, search_path: list[str]
) -> None:
    """Becomes the command; never returns."""
    for descriptor, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, descriptor)
        os.close(file)
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    given = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [*given, *search_path]
    code = _exit_code(arguments)
    # What the interpreter does at its end.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code)


def _exit_code(arguments: list[str]) -> int:
    first, rest = arguments[0], arguments[1:]
    try:
        if first == "-m":
            sys.path.insert(0, str(Path.cwd()))
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif first == "-c":
            sys.path.insert(0, "")
            sys.argv = ["-c", *rest[1:]]
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(rest[0], "<string>", "exec"), main.__dict__)
        else:
            sys.path.insert(0, str(Path(first).absolute().parent))
            sys.argv = arguments
            runpy.run_path(first, run_name="__main__")
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        sys.stderr.write(f"{stop.code}\n")
        return 1
    except BaseException as error:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(type(error), error, error.__traceback__)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0
