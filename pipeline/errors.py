"""What can go wrong for the person at the keyboard, and the exit code of each.

Every command raises one of these (or lets one through); only `pipeline.cli`
turns them into a message on stderr and an exit code.
"""

from __future__ import annotations

OK = 0
FAILED = 1
BAD_INPUT = 2
REFUSED = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class MarqueeError(Exception):
    """Base of every error whose text is written for the user.

    The text names what came, what was expected and what to do.
    """

    exit_code = FAILED


class ConfigError(MarqueeError):
    """A wrong key, type or value in the config or in `--set`."""

    exit_code = BAD_INPUT


class InputError(MarqueeError):
    """A wrong argument or data that cannot be read."""

    exit_code = BAD_INPUT


class ServerError(MarqueeError):
    """A model server did not answer, or could not."""


class DeletionError(MarqueeError):
    """What was to be deleted is there still."""


class LockedError(MarqueeError):
    """Another run is using the same artifacts root."""

    exit_code = BAD_INPUT


class ComponentFailedError(MarqueeError):
    """A component raised; the text carries its root error in a line or two.

    Its exit code is FAILED, or BAD_INPUT if the data is to blame.
    """

    def __init__(self, node_id: str, reason: str, exit_code: int = FAILED) -> None:
        super().__init__(f"{node_id} failed: {reason}")
        self.node_id = node_id
        self.reason = reason
        self.exit_code = exit_code
