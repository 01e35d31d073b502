"""The terminal belongs to the run's own lines; everything else goes to a log file."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Log(io.TextIOWrapper):
    """A log whose disk is full loses lines; it ends no run, and hides no error."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


@contextlib.contextmanager
def logs_to_file(path: Path, terminal_descriptor: int = 1) -> Iterator[TextIO]:
    """Send file descriptors 1 and 2 and Python's logging to `path`; yield the terminal.

    At the level of descriptors, because TensorFlow's and Beam's C++ code and
    child processes write there, not to `sys.stderr` (which goes along). What
    the block prints on purpose, it writes to the stream it is given: what
    `terminal_descriptor` was.
    An exception that leaves the block leaves its traceback in the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = {number: os.dup(number) for number in (1, 2)}
    # Line buffered: the terminal shows a line the moment it is written.
    terminal = os.fdopen(
        os.dup(saved[terminal_descriptor]), "w", buffering=1, encoding="utf-8", errors="replace"
    )
    # Without a buffer below it: what a full disk did not take must not come again at each write.
    log = _Log(path.open("ab", buffering=0), encoding="utf-8", errors="replace", line_buffering=True)
    for number in saved:
        os.dup2(log.fileno(), number)

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    handler = logging.StreamHandler(log)
    handler.setFormatter(logging.Formatter(_FORMAT))
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield terminal
    except BaseException:
        traceback.print_exc(file=log)
        raise
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in saved.items():
            os.dup2(copy, number)
            os.close(copy)
        # `log` stays open: a library that took sys.stderr for its own may write
        # to it as late as at exit. It is line buffered, so nothing is lost.
        terminal.close()
