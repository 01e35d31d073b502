"""A fork of the preloaded server does what a new interpreter does, on the sources as they are now."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from support.runs import fork_server
from support.workspace import REPOSITORY

PACKAGES = ("benchmarks", "components", "contract", "datasets", "leaderboard", "pipeline", "serving")

ENDS = {
    "returns": "print('out', end=''); print('err', file=sys.stderr)",
    "a code": "print('x'); sys.exit(3)",
    "no code": "sys.exit()",
    "a message": "sys.exit('what is wrong')",
    "an error": "raise ValueError('x' * 9)",
    "its own hook": "sys.excepthook = lambda *error: print('hook', *error[:2]); raise ValueError(1)",
    "a signal": "print('lost: it was buffered'); os.kill(os.getpid(), signal.SIGKILL)",
    "at exit": "atexit.register(print, 'at exit'); print('first')",
    "a thread": "threading.Thread(target=lambda: (time.sleep(.2), print('thread'))).start()",
    "descriptors": "os.write(1, b'1'); os.write(2, b'2'); subprocess.run(['echo', 'child'])",
    "where": "print(os.getcwd(), sys.argv, os.environ['MARQUEE_X'], __name__, 'HOME' in os.environ)",
    "path": "print(sys.path)",
    "stdin": "print(repr(sys.stdin.read()))",
    "interrupt": "signal.raise_signal(signal.SIGINT)",
}


def no_first_lines(text: str) -> str:
    """An error without the frames above the command's own."""
    return text.rpartition("\n    ")[2].rpartition("  File ")[2]


@pytest.mark.parametrize("how", ENDS)
def test_a_fork_ends_as_a_process_does(tmp_path: Path, how: str) -> None:
    code = "import atexit, os, signal, subprocess, sys, threading, time\n" + ENDS[how]
    env = {"MARQUEE_X": "x", "PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]}
    arguments = ("-c", code, "an", "argument")
    got = fork_server.run(arguments, tmp_path, env)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    expected = fork_server.Finished(done.returncode, done.stdout, done.stderr)
    assert (got.code, got.out) == (expected.code, expected.out)
    assert no_first_lines(got.err) == no_first_lines(expected.err)


def test_modules_and_scripts_are_run(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    text = "import sys, pathlib; print(__name__, sys.argv[1:], pathlib.Path(sys.argv[0]).name, sys.path[0])"
    for name in ("package/__main__.py", "package/part.py", "script.py"):
        (tmp_path / name).write_text(text)
    env = {**os.environ, "PYTHONPATH": ""}
    for arguments in (("-m", "package", "1"), ("-m", "package.part", "1"), ("script.py", "1")):
        assert fork_server.run(arguments, tmp_path, env) == fork_server.run_process(arguments, tmp_path, env)


def test_changed_sources_are_seen_and_the_server_holds_none(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for value in (1, 2):
        (tmp_path / "changing.py").write_text(f"VALUE = {value}")
        found = fork_server.run(("-c", "import changing; print(changing.VALUE)"), tmp_path, env)
        assert (found.code, found.out) == (0, f"{value}\n"), found.err
    found = fork_server.run(("-c", "import json, sys; print(json.dumps(list(sys.modules)))"), tmp_path)
    modules = set(found.json())
    # multiprocessing passes over a package that cannot be imported.
    assert set(fork_server.PRELOADED) <= modules
    assert [name for name in modules if name.partition(".")[0] in PACKAGES] == []


def test_what_takes_too_long_is_killed(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired) as ended:
        fork_server.run(("-c", code), tmp_path, timeout=0.5)
    pid = int(ended.value.output)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_tensorflow_and_beam_work_in_forks_at_the_same_time(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import apache_beam as beam, numpy as np, tensorflow as tf
        a = np.random.default_rng(0).normal(size=(300, 300))
        product = tf.function(lambda x: tf.reduce_sum(x @ x))(a)
        with beam.Pipeline() as p:
            p | beam.Create(range(100)) | beam.CombineGlobally(sum) | beam.Map(lambda x: print(x))
        print(round(float(product), 6), round(float((a @ a).sum()), 6))
    """)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: fork_server.run(("-c", code), tmp_path, timeout=120), range(6)))
    assert {each.code for each in found} == {0}, found
    [out] = {each.out for each in found}
    total, products = out.splitlines()
    assert total == "4950"
    assert len(set(products.split())) == 1


def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        from multiprocessing import forkserver
        from support.runs import fork_server
        fork_server.PRELOADED = ()
        assert fork_server.run(("-c", "print(1)"), ".").out == "1\\n"
        print(forkserver._forkserver._forkserver_pid)
    """)
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "tests")}
    done = fork_server.run_process(("-c", code), tmp_path, env)
    assert done.code == 0, done.err
    deadline = time.monotonic() + 60
    while psutil.pid_exists(int(done.out)):
        assert time.monotonic() < deadline, "the fork server is still there"
        time.sleep(0.05)
