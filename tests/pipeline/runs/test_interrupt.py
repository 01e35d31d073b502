"""Ctrl-C while the main thread is in C."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

# A read that the kernel restarts after the signal: Python gets no chance to
# raise KeyboardInterrupt. ctypes releases the GIL, as TensorFlow and Beam do.
STUCK = """
import ctypes, os, signal
from pipeline.runs.interrupt import ctrl_c_ends_the_process
with ctrl_c_ends_the_process(grace=GRACE):
    signal.siginterrupt(signal.SIGINT, False)
    print("ready", flush=True)
    ctypes.CDLL(None).read(os.pipe()[0], ctypes.create_string_buffer(1), 1)
"""


def start(grace: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK.replace("GRACE", str(grace))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    return process


def test_ends_after_the_grace() -> None:
    process = start(grace=0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130


def test_a_second_ctrl_c_ends_at_once() -> None:
    process = start(grace=1000)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130


def test_a_block_that_ends_leaves_no_watcher() -> None:
    code = (
        "import threading, time\n"
        "from pipeline.runs.interrupt import ctrl_c_ends_the_process\n"
        "with ctrl_c_ends_the_process():\n    pass\n"
        "time.sleep(0.5)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
