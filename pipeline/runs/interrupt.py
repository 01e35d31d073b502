"""Ctrl-C ends a run even while the main thread is inside C++."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from collections.abc import Iterator

from pipeline.errors import INTERRUPTED

# What a component gets to unwind after the first Ctrl-C.
_GRACE_SECONDS = 5.0


@contextlib.contextmanager
def ctrl_c_ends_the_process(grace: float = _GRACE_SECONDS) -> Iterator[None]:
    """Guarantee that the process ends within `grace` seconds of a Ctrl-C.

    Python raises KeyboardInterrupt only between two bytecodes, and a training
    step or a Beam bundle may keep it in C++ for minutes; a thread pool may
    then still hold up the exit. The interpreter's wake-up descriptor tells a
    thread of the signal at once; that thread ends the process when the grace
    is over, or at a second Ctrl-C. Nothing is lost by it: unfinished
    components run again next time, whatever ended them.

    Works in the main thread only, as all of Python's signal handling.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, grace), name="ctrl-c", daemon=True).start()
    interrupted = False
    try:
        yield
    except KeyboardInterrupt:
        interrupted = True
        writer.detach()  # open for good: the watcher stays, and with it the guarantee
        raise
    finally:
        signal.set_wakeup_fd(before)
        if not interrupted:
            writer.send(b"\0")  # no signal has number 0: the watcher ends
            writer.close()


def _watch(reader: socket.socket, grace: float) -> None:
    while True:
        byte = reader.recv(1)
        if byte in (b"", b"\0"):
            reader.close()
            return
        if byte[0] == signal.SIGINT:
            select.select([reader], [], [], grace)
            os._exit(INTERRUPTED)
