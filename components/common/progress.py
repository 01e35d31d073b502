"""How a component tells whoever started it how far it has come.

The trainer knows epochs and losses, the runner owns the terminal, and neither
may know the other. A component calls `report`; a runner in the same process
installs a listener with `set_listener`. Without one (a Kubeflow task, a test)
the text goes to the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

Listener = Callable[[int, int, str], None]

_log = logging.getLogger(__name__)


def _to_log(done: int, total: int, text: str) -> None:
    _log.info("%d/%d %s", done, total, text)


_listener: Listener = _to_log


def report(done: int, total: int, text: str) -> None:
    """Say that `done` of `total` units of work are finished.

    Args:
      done: finished units (epochs, steps ...), 0 <= done <= total.
      total: all units of this piece of work, at least 1; it may shrink when
        work stops early.
      text: one short line on the state, such as "epoch 3  recall@100 0.31".
    """
    _listener(done, total, text)


def set_listener(listener: Listener | None) -> None:
    """Send every later `report` to `listener`; None restores the log."""
    global _listener
    _listener = listener or _to_log
