"""Ports for servers that are measured or tested."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

_GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LEAST = 1024  # below are those of the administrator
_TRIES = 100


def free_port() -> int:
    """A port of 127.0.0.1 that no outgoing connection takes before the server does.

    It lies below those that the kernel gives to connections. Not seeded: servers of several processes
    are to have ports of their own.
    """
    lowest = int(_GIVEN.read_text().split()[0])
    below = range(max(_LEAST, lowest // 2), lowest)
    chosen = random.SystemRandom()
    # Where there are few below, any that is free now has to do.
    tried = [chosen.choice(below) for _ in range(_TRIES)] if len(below) >= _TRIES else []
    for port in (*tried, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found: int = probe.getsockname()[1]
            return found
    raise OSError("no port of 127.0.0.1 is free")
