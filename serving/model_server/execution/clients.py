"""Who asks: an address, found only where it matters (a full queue)."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Final


class Client:
    """Of one request.

    Args:
      find: its address, as the protocol has it.
    """

    __slots__ = ("_address", "_find")

    def __init__(self, find: Callable[[], str]) -> None:
        self._find = find
        self._address: str | None = None

    @property
    def address(self) -> str:
        """Without the port, which is another one for each connection."""
        if self._address is None:
            found = self._find()
            # gRPC: ipv4:10.0.0.1:4711, ipv6:%5B::1%5D:4711, unix:path.
            self._address = found.rpartition(":")[0] if found.startswith("ipv") else found
        return self._address


# Of the request that the running task answers.
CURRENT: Final[contextvars.ContextVar[Client]] = contextvars.ContextVar(
    "client",
    default=Client(lambda: ""),  # noqa: B039 (it changes nothing)
)
